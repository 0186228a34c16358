// SPDX-License-Identifier: Apache-2.0
#include "cli/pin_dir.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

using testing::HasSubstr;

constexpr const char* kUsual = "/sys/fs/bpf/headgate";

class FindPinDir : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "pin-dir-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    good = write("good.yaml", "rules: []\npin_dir: /sys/fs/bpf/other\n");
    bad = write("bad.yaml", "rules: []\npin_dir: relative\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory + "/" + name) << text;
    return directory + "/" + name;
  }

  std::string directory;
  std::string good;
  std::string bad;
};

TEST_F(FindPinDir, IsTheOneThatWasNamed) {
  EXPECT_EQ(find_pin_dir("/run/pins", "", good)->path, "/run/pins");
  EXPECT_EQ(find_pin_dir("", good, bad)->path, "/sys/fs/bpf/other");
  EXPECT_EQ(find_pin_dir("", good, bad)->note, "");
}

TEST_F(FindPinDir, IsElseThatOfTheDefaultConfiguration) {
  EXPECT_EQ(find_pin_dir("", "", good)->path, "/sys/fs/bpf/other");
  const auto without = find_pin_dir("", "", directory + "/nothing.yaml");
  EXPECT_EQ(without->path, kUsual);
  EXPECT_EQ(without->note, "");
}

TEST_F(FindPinDir, SaysThatADefaultConfigurationIsNoGood) {
  const auto found = find_pin_dir("", "", bad);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, kUsual);
  EXPECT_THAT(found->note, HasSubstr(bad + ":2:"));
  EXPECT_THAT(found->note, HasSubstr(std::string("; looking in ") + kUsual));
}

TEST_F(FindPinDir, FailsForAConfigurationThatWasNamedAndIsNoGood) {
  EXPECT_THAT(find_pin_dir("", bad, good).error().to_string(), HasSubstr(bad + ":2:"));
  EXPECT_EQ(find_pin_dir("", directory + "/nothing.yaml", good).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace headgate::cli
