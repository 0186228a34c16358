// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/group.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

struct Case {
  std::string text;
  std::string message;
};

void expect_errors(Result<std::string> (*parse)(std::string_view), const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const Result<std::string> name = parse(c.text);
    if (name) {
      ADD_FAILURE() << "taken; expected " << c.message;
      continue;
    }
    EXPECT_EQ(name.error().message, c.message);
    EXPECT_EQ(name.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Unit, IsTheNameOfAUnitWithACgroup) {
  const std::vector<std::string> names = {"nginx.service",
                                          "a.service",
                                          "php8.2-fpm.service",
                                          "php-fpm@8.2.service",
                                          "foo@a@b.service",
                                          "systemd-fsck@dev-disk-by\\x2dlabel.service",
                                          "system-getty.slice",
                                          "user-1000.slice",
                                          "session-3.scope",
                                          "sshd.socket",
                                          "A_b:c.service",
                                          ".service.service",
                                          std::string(247, 'n') + ".service"};
  for (const std::string& name : names) {
    EXPECT_EQ(parse_unit(name).value_or(""), name);
    EXPECT_TRUE(has_unit_type(name));
  }
}

TEST(Unit, SaysWhatIsWrongAndWhatWouldBeRight) {
  const std::string no_name =
      " is not the name of a unit; a name such as 'nginx.service' would be right";
  const std::string no_type = " does not end with .service, .slice, .scope or .socket; ";
  const std::string form = "a name such as 'nginx.service' would be right";
  expect_errors(
      parse_unit,
      {
          {"", "''" + no_name},
          {" ", "' '" + no_name},
          {"nginx .service", "'nginx .service'" + no_name},
          {"nginx\n.service", "'nginx\\x0a.service'" + no_name},
          {std::string("a\0.service", 10), "'a\\x00.service'" + no_name},
          {"ngïnx.service", "'ngïnx.service'" + no_name},
          {"*.service", "'*.service'" + no_name},
          {"@1.service", "'@1.service'" + no_name},
          {"nginx", "'nginx'" + no_type + "'nginx.service' would be right"},
          {"nginx@1", "'nginx@1'" + no_type + "'nginx@1.service' would be right"},
          {"nginx.timer", "'nginx.timer'" + no_type + form},
          {"home.mount", "'home.mount'" + no_type + form},
          {"nginx.Service", "'nginx.Service'" + no_type + form},
          {"nginx.service.", "'nginx.service.'" + no_type + form},
          {".service", "'.service'" + no_type + form},
          {"nginx@.service",
           "'nginx@.service' is a template of units; one of its units such as 'nginx@1.service' "
           "would be right"},
          {"-.slice", "'-.slice' holds every process; ports, or a slice below it, would be right"},
          {"system.slice/nginx.service",
           "'system.slice/nginx.service' is a path, not the name of a unit; cgroup: "
           "'system.slice/nginx.service' would be right"},
          {"/sys/fs/cgroup/system.slice/nginx.service",
           "'/sys/fs/cgroup/system.slice/nginx.service' is a path, not the name of a unit; cgroup: "
           "'system.slice/nginx.service' would be right"},
          {std::string(248, 'n') + ".service",
           "'" + std::string(80, 'n') + "…' has 256 bytes; at most 255 would be right"},
          {std::string(1'000'000, '/'),
           "'" + std::string(80, '/') + "…' has 1000000 bytes; at most 255 would be right"},
      });
}

TEST(Cgroup, IsAPathBelowTheMount) {
  for (const std::string& path :
       {std::string("system.slice/nginx.service"), std::string("a"), std::string("a/b/c/d"),
        std::string("sys/fs/cgroup"), std::string("..."), std::string("a../..b"),
        std::string("lxc.payload.web/init.scope"), std::string("kubepods/pod 1/é"),
        std::string(1000, 'c')}) {
    EXPECT_EQ(parse_cgroup(path).value_or(""), path);
  }
}

TEST(Cgroup, SaysWhatIsWrongAndWhatWouldBeRight) {
  const std::string form =
      "; a path below the cgroup2 mount such as 'system.slice/nginx.service' would be right";
  const std::string slash = " begins with '/', but is read from the cgroup2 mount on; ";
  const std::string empty = " has an empty name or '.' in it; ";
  expect_errors(
      parse_cgroup,
      {
          {"", "'' is not a cgroup" + form},
          {"a\nb", "'a\\x0ab' is not a cgroup" + form},
          {std::string("a\0b", 3), "'a\\x00b' is not a cgroup" + form},
          {"a\x7f", "'a\\x7f' is not a cgroup" + form},
          {"..", "'..' has '..' in it" + form},
          {"../a", "'../a' has '..' in it" + form},
          {"a/..", "'a/..' has '..' in it" + form},
          {"/a/../b", "'/a/../b' has '..' in it" + form},
          {"/", "'/' holds every process" + form},
          {".", "'.' holds every process" + form},
          {"//", "'//' holds every process" + form},
          {"/sys/fs/cgroup", "'/sys/fs/cgroup' holds every process" + form},
          {"/sys/fs/cgroup/", "'/sys/fs/cgroup/' holds every process" + form},
          {"/sys/fs/cgroup/unified", "'/sys/fs/cgroup/unified' holds every process" + form},
          {"/system.slice", "'/system.slice'" + slash + "'system.slice' would be right"},
          {"/a//b/", "'/a//b/'" + slash + "'a/b' would be right"},
          {"/sys/fs/cgroup/system.slice/x.service", "'/sys/fs/cgroup/system.slice/x.service'" +
                                                        slash +
                                                        "'system.slice/x.service' would be right"},
          {"/sys/fs/cgroup/unified/a", "'/sys/fs/cgroup/unified/a'" + slash + "'a' would be right"},
          {"a/", "'a/'" + empty + "'a' would be right"},
          {"a//b", "'a//b'" + empty + "'a/b' would be right"},
          {"./a", "'./a'" + empty + "'a' would be right"},
          {"a/./b", "'a/./b'" + empty + "'a/b' would be right"},
          {std::string(1001, 'c'),
           "'" + std::string(80, 'c') + "…' has 1001 bytes; at most 1000 would be right"},
          {std::string(1'000'000, '/'),
           "'" + std::string(80, '/') + "…' has 1000000 bytes; at most 1000 would be right"},
      });
}

}  // namespace
}  // namespace headgate::config
