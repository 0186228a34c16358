// SPDX-License-Identifier: Apache-2.0
#include "cli/pin_dir.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

using testing::ElementsAre;
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

TEST_F(FindPinDir, LooksWhereDaemonsHaveRecordedThatTheyPinned) {
  const kernel::PinRecord record(directory, good);
  ASSERT_TRUE(record.add("/sys/fs/bpf/first"));
  ASSERT_TRUE(record.add("/sys/fs/bpf/second"));
  ASSERT_TRUE(record.add("/sys/fs/bpf/other"));
  const auto found = find_pin_dirs("", "", {directory, directory + "/nothing"}, good);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->paths,
              ElementsAre("/sys/fs/bpf/other", "/sys/fs/bpf/second", "/sys/fs/bpf/first"));
  EXPECT_EQ(found->note, "");
  EXPECT_THAT(find_pin_dirs("", bad, {directory}, good).error().message, HasSubstr("--pin-dir"))
      << "that is the record of another configuration";
  EXPECT_THAT(find_pin_dirs("/p", "", {directory}, good)->paths, ElementsAre("/p"));
}

TEST_F(FindPinDir, FindsTheRecordBesideTheControlSocket) {
  const std::string file =
      write("socket.yaml", "rules: []\ncontrol: { socket: " + directory + "/run/s }\n");
  std::filesystem::create_directory(directory + "/run");
  ASSERT_TRUE(kernel::PinRecord(directory + "/run", file).add("/sys/fs/bpf/first"));
  EXPECT_THAT(find_pin_dirs("", file, {directory})->paths,
              ElementsAre(kUsual, "/sys/fs/bpf/first"));
}

TEST_F(FindPinDir, KnowsTheRecordAloneIfTheConfigurationIsNoGood) {
  for (const auto& [named, usual] : {std::pair(bad, good), std::pair(std::string(), bad)}) {
    const auto unknown = find_pin_dirs("", named, {directory}, usual);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().to_string(), HasSubstr("headgatectl detach --pin-dir DIR"));
    EXPECT_THAT(unknown.error().to_string(), HasSubstr(bad + ":2:"));
  }
  ASSERT_TRUE(kernel::PinRecord(directory, bad).add("/sys/fs/bpf/first"));
  const auto found = find_pin_dirs("", "", {directory}, bad);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->paths, ElementsAre("/sys/fs/bpf/first"));
  EXPECT_THAT(found->note, HasSubstr(bad + ":2:"));
}

TEST_F(FindPinDir, WithoutAConfigurationLooksInTheUsualPlaceToo) {
  const std::string nothing = directory + "/nothing.yaml";
  EXPECT_THAT(find_pin_dirs("", "", {directory}, nothing)->paths, ElementsAre(kUsual));
  EXPECT_THAT(find_pin_dirs("", nothing, {directory}).error().message, HasSubstr("--pin-dir"));
  ASSERT_TRUE(kernel::PinRecord(directory, nothing).add("/sys/fs/bpf/first"));
  EXPECT_THAT(find_pin_dirs("", "", {directory}, nothing)->paths,
              ElementsAre(kUsual, "/sys/fs/bpf/first"));
}

}  // namespace
}  // namespace headgate::cli
