// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

// A directory of the test's own that anyone may enter, so that a test may drop its rights.
class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "headgate-load-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string directory_;
};

void expect_error(const std::string& path, ErrorCode code, const std::string& message) {
  const Result<Config> config = load(path);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, code);
  EXPECT_EQ(config.error().message, path + message);
}

const std::string kNotRegular = ": is not a regular file; the path of a YAML file would be right";

TEST_F(LoadTest, ReadsAFileAndNamesItInErrors) {
  EXPECT_TRUE(load(write("good.yaml", "rules: []\n")).has_value());
  expect_error(write("bad.yaml", "rules: 5\n"), ErrorCode::kInvalidArgument,
               ":1:8: 'rules' is '5'; a list of '- name: …' items, or [] for none, would be right");
}

TEST(Load, TakesEveryExample) {
  const std::filesystem::path example = HEADGATE_EXAMPLE_CONFIG;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(example.parent_path())) {
    if (entry.path().extension() != ".yaml") continue;
    const Result<Config> config = load(entry.path());
    EXPECT_TRUE(config.has_value()) << config.error().message;
    ++count;
  }
  EXPECT_GE(count, 2);
}

TEST_F(LoadTest, FollowsASymbolicLink) {
  const std::string link = directory_ + "/link.yaml";
  std::filesystem::create_symlink(write("good.yaml", "rules: []\n"), link);
  EXPECT_TRUE(load(link).has_value());
}

TEST_F(LoadTest, SaysThatAFileIsMissing) {
  expect_error(directory_ + "/none.yaml", ErrorCode::kNotFound,
               ": cannot open: No such file or directory");
}

TEST_F(LoadTest, SaysThatItIsADirectory) {
  expect_error(directory_, ErrorCode::kInvalidArgument,
               ": is a directory; the path of a YAML file would be right");
}

TEST_F(LoadTest, SaysThatItHasNoPermission) {
  const std::string path = write("secret.yaml", "rules: []\n");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  const uid_t user = ::geteuid();
  constexpr uid_t kNobody = 65534;
  // Root may read everything.
  if (user == 0) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  expect_error(path, ErrorCode::kPermissionDenied, ": cannot open: Permission denied");
  ASSERT_EQ(::seteuid(user), 0);
}

TEST_F(LoadTest, RefusesALargeFileWithoutReadingIt) {
  const std::string path = write("large.yaml", "");
  ASSERT_EQ(::truncate(path.c_str(), 50L * 1024 * 1024), 0);
  expect_error(path, ErrorCode::kInvalidArgument,
               ": is too large; at most 12582912 bytes would be right");
}

TEST_F(LoadTest, TakesTheLargestFileAllowed) {
  std::string text = "rules: []\n";
  text.resize(kMaxFileBytes, '\n');
  EXPECT_TRUE(load(write("full.yaml", text)).has_value());
  expect_error(write("over.yaml", text + "\n"), ErrorCode::kInvalidArgument,
               ": is too large; at most 12582912 bytes would be right");
}

TEST_F(LoadTest, NeitherHangsNorReadsWithoutEnd) {
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_error(fifo, ErrorCode::kInvalidArgument, kNotRegular);
  expect_error("/dev/zero", ErrorCode::kInvalidArgument, kNotRegular);
  expect_error("/dev/null", ErrorCode::kInvalidArgument, kNotRegular);
}

}  // namespace
}  // namespace headgate::config
