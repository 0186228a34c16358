// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/rule_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RuleFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "headgate-rules-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << text;
    return directory_ + "/" + name;
  }

  // A configuration with these rule files, given without their directory.
  std::string write_config(const std::vector<std::string>& names,
                           const std::string& more = "") const {
    std::string list;
    for (const std::string& name : names) {
      list += (list.empty() ? "\"" : ", \"") + directory_ + "/" + name + "\"";
    }
    return write("headgate.conf", "rules: []\nquotas:\n  rule_files: [" + list + "]\n" + more);
  }

  static std::vector<std::string> domains(const Config& config) {
    std::vector<std::string> names;
    for (const QuotaDomain& domain : config.quotas.domains) names.push_back(domain.name);
    return names;
  }

  std::vector<std::string> loaded(const std::string& path) const {
    const Result<Config> config = load(path);
    EXPECT_TRUE(config.has_value()) << config.error().message;
    return config ? domains(*config) : std::vector<std::string>{};
  }

  void expect_error(const std::string& path, const std::string& message) const {
    const Result<Config> config = load(path);
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(config.error().message, directory_ + "/" + message);
  }

  std::string directory_;
};

TEST_F(RuleFilesTest, AreReadEachOnceInOrderOfPathAfterTheNativeDomains) {
  write("b.yaml", "domain: two\n");
  write("a.yaml", "domain: three\n");
  write("B.yaml", "domain: one\n");
  write(".hidden.yaml", "domain: hidden\n");
  write("a.yml", "not read");
  std::filesystem::create_directory(directory_ + "/d.yaml");
  std::filesystem::create_symlink(write("target", "domain: four\n"), directory_ + "/c.yaml");
  EXPECT_THAT(loaded(write_config({"*.yaml", "b.yaml", "[ab].yaml", "none-*.yaml"},
                                  "  domains: [{ domain: zero }]\n")),
              ElementsAre("zero", "one", "three", "two", "four"));
  const Result<Config> config = load(directory_ + "/headgate.conf");
  EXPECT_EQ(config->quotas.domains[2].file, directory_ + "/a.yaml");
  EXPECT_TRUE(load_with_settings(directory_ + "/headgate.conf").has_value());
}

TEST_F(RuleFilesTest, APatternMayMatchNothing) {
  EXPECT_THAT(loaded(write_config({"*.yaml", "none/*.yaml"})), IsEmpty());
}

TEST_F(RuleFilesTest, APathMustBeARegularFile) {
  expect_error(
      write_config({"none.yaml"}),
      "none.yaml: cannot open: No such file or directory, but 'quotas.rule_files' names it");
  std::filesystem::create_directory(directory_ + "/d.yaml");
  expect_error(write_config({"d.yaml"}),
               "d.yaml: is a directory; the path of a YAML file would be right");
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  expect_error(write_config({"fifo"}),
               "fifo: is not a regular file; the path of a YAML file would be right");
  EXPECT_THAT(loaded(write_config({"fif*", "d*.yaml"})), IsEmpty());
}

TEST_F(RuleFilesTest, OneThatIsWrongFailsTheWholeLoad) {
  write("good.yaml", "domain: good\n");
  write("bad.yaml", "domain: bad\ndescriptors: [a]\n");
  expect_error(write_config({"*.yaml"}),
               "bad.yaml:2:15: this is 'a'; a map of 'key: value' would be right");
  ASSERT_EQ(::truncate((directory_ + "/bad.yaml").c_str(), kMaxFileBytes + 1), 0);
  expect_error(write_config({"*.yaml"}),
               "bad.yaml: is too large; at most 12582912 bytes would be right");
}

TEST_F(RuleFilesTest, ADomainStandsOnceInAllFiles) {
  write("a.yaml", "domain: api\n");
  write("b.yaml", "# another\ndomain: api\n");
  expect_error(write_config({"*.yaml"}), "b.yaml:2:9: duplicate domain 'api', first at " +
                                             directory_ +
                                             "/a.yaml:1:9; each in one file would be right");
  expect_error(write_config({"a.yaml"}, "  domains: [{ domain: api }]\n"),
               "a.yaml:1:9: duplicate domain 'api', first at " + directory_ +
                   "/headgate.conf:4:23; each in one file would be right");
}

TEST_F(RuleFilesTest, ThereAreNotTooMany) {
  for (std::size_t i = 0; i < kMaxRuleFiles; ++i) {
    const std::string number = std::to_string(i);
    write(number + ".yaml", "domain: " + number + "\n");
  }
  EXPECT_EQ(loaded(write_config({"*.yaml"})).size(), kMaxRuleFiles);
  write("more.yaml", "domain: more\n");
  const Result<Config> config = load(write_config({"*.yaml"}));
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().message,
            "'quotas.rule_files' names 1001 files; at most 1000 would be right");
}

}  // namespace
}  // namespace headgate::config
