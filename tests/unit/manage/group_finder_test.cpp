// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/group_finder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

namespace headgate::manage {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class GroupFinderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "groups-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    policy_.numbers.groups = {{"unit:a.service", 1}, {"cgroup:guest/one", 2}};
    policy_.groups = {{1, 1}, {2, 1}};
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
  }
  void TearDown() override {
    spdlog::set_default_logger(former_);
    fs::remove_all(root_);
  }

  void make(const std::string& path) const { fs::create_directories(root_ + "/" + path); }
  void remove(const std::string& path) const { fs::remove_all(root_ + "/" + path); }
  // "number:path" of each group.
  std::vector<std::string> find() {
    std::vector<std::string> found;
    for (const auto& [group, path] : finder_.find_below(root_, policy_)) {
      found.push_back(std::to_string(group) + ":" + path.substr(root_.size() + 1));
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  // What has been logged since it was asked last.
  std::string logged() {
    const std::string text = log_.str();
    log_.str("");
    return text;
  }

  std::string root_;
  policy::Policy policy_;
  GroupFinder finder_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> former_ = spdlog::default_logger();
};

TEST_F(GroupFinderTest, FindsUnitsThatAreThereAndCgroupsByTheirPaths) {
  EXPECT_THAT(find(), ElementsAre("2:guest/one"));
  make("system.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("1:system.slice/a.service", "2:guest/one"));
  remove("system.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("2:guest/one"));
  EXPECT_EQ(logged(), "");
}

TEST_F(GroupFinderTest, PrefersSystemSliceAndSaysSoOnce) {
  make("b.slice/a.service");
  make("system.slice/system-a.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("1:system.slice/system-a.slice/a.service", "2:guest/one"));
  EXPECT_THAT(logged(), HasSubstr("there are 2 cgroups with the name of unit a.service"));
  find();
  EXPECT_EQ(logged(), "");
}

TEST_F(GroupFinderTest, AUnitKeepsItsPlaceForAsLongAsItIsThere) {
  make("c.slice/a.service");
  find();
  make("b.slice/a.service");
  make("system.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("1:c.slice/a.service", "2:guest/one"));
  EXPECT_THAT(logged(), HasSubstr("its rule covers " + root_ + "/c.slice/a.service"));
  remove("c.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("1:system.slice/a.service", "2:guest/one"));
  EXPECT_THAT(logged(), HasSubstr("its rule covers " + root_ + "/system.slice/a.service"));
  remove("system.slice/a.service");
  EXPECT_THAT(find(), ElementsAre("1:b.slice/a.service", "2:guest/one"));
  EXPECT_EQ(logged(), "") << "there is one";
}

}  // namespace
}  // namespace headgate::manage
