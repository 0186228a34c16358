// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/unit_cgroups.h"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

using testing::ElementsAre;

class FindUnits : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "units-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void make(const std::string& path) const {
    std::filesystem::create_directories(root_ + "/" + path);
  }
  // Without the root before them.
  std::vector<std::string> find(const std::string& unit) const {
    std::vector<std::string> paths;
    for (const auto& [name, found] : find_units(root_, {unit})) {
      EXPECT_EQ(name, unit);
      for (const std::string& path : found) paths.push_back(path.substr(root_.size() + 1));
    }
    return paths;
  }

  std::string root_;
};

TEST_F(FindUnits, LooksInSlicesWhereverTheyAre) {
  make("system.slice/nginx.service");
  make("system.slice/system-postgresql.slice/postgresql@15-main.service");
  make("apps.slice/apps-web.slice/web.scope");
  make("user.slice/user-1000.slice");
  make("init.scope");
  EXPECT_THAT(find("nginx.service"), ElementsAre("system.slice/nginx.service"));
  EXPECT_THAT(find("postgresql@15-main.service"),
              ElementsAre("system.slice/system-postgresql.slice/postgresql@15-main.service"));
  EXPECT_THAT(find("web.scope"), ElementsAre("apps.slice/apps-web.slice/web.scope"));
  EXPECT_THAT(find("apps-web.slice"), ElementsAre("apps.slice/apps-web.slice"));
  EXPECT_THAT(find("user-1000.slice"), ElementsAre("user.slice/user-1000.slice"));
  EXPECT_THAT(find("init.scope"), ElementsAre("init.scope"));
  EXPECT_THAT(find("none.service"), ElementsAre());
}

TEST_F(FindUnits, DoesNotLookIntoWhatOtherManagersName) {
  make("user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service");
  make("user.slice/user-1000.slice/user@1000.service/nginx.service");
  make("system.slice/docker-12.scope/system.slice/nginx.service");
  make("lxc.payload.guest/system.slice/nginx.service");
  make("system.slice/other.service/nginx.service");
  EXPECT_THAT(find("nginx.service"), ElementsAre());
}

TEST_F(FindUnits, PutsThoseInSystemSliceFirst) {
  make("a.slice/nginx.service");
  make("z.slice/nginx.service");
  make("system.slice/system-nginx.slice/nginx.service");
  make("system.slice/nginx.service");
  make("system.slice2.slice/nginx.service");
  EXPECT_THAT(find("nginx.service"),
              ElementsAre("system.slice/nginx.service",
                          "system.slice/system-nginx.slice/nginx.service", "a.slice/nginx.service",
                          "system.slice2.slice/nginx.service", "z.slice/nginx.service"));
}

TEST_F(FindUnits, TakesDirectoriesOnly) {
  make("system.slice");
  make("elsewhere");
  std::filesystem::create_symlink(root_ + "/elsewhere", root_ + "/system.slice/nginx.service");
  EXPECT_THAT(find("nginx.service"), ElementsAre());
  EXPECT_TRUE(find_units(root_ + "/nothing", {"nginx.service"}).empty());
}

}  // namespace
}  // namespace headgate::kernel
