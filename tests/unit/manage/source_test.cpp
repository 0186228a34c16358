// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/source.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace headgate::manage {
namespace {

class SourceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "headgate-source-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    write("rules.yaml", "domain: api\ndescriptors: [{ key: user }]\n");
    path_ =
        write("headgate.yaml", "rules: [{ name: web, listen: 443 }]\nquotas: { rule_files: [\"" +
                                   directory_ + "/rules.yaml\"] }\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << text;
    return directory_ + "/" + name;
  }

  Source load() const {
    auto source = Source::load(path_);
    EXPECT_TRUE(source.has_value()) << source.error().message;
    return source ? *std::move(source) : Source{};
  }

  std::string directory_;
  std::string path_;
};

TEST_F(SourceTest, HasTheRuleFilesAndTheirDomains) {
  const Source source = load();
  ASSERT_EQ(source.rule_files.size(), 1U);
  EXPECT_EQ(source.rule_files.front().path, directory_ + "/rules.yaml");
  ASSERT_EQ(source.config.quotas.domains.size(), 1U);
  EXPECT_EQ(source.config.quotas.domains.front().name, "api");
}

TEST_F(SourceTest, ASettingKeepsTheDomainsAsTheyWereRead) {
  Source source = load();
  write("rules.yaml", "domain: other\n");
  source.transient.push_back({"web", "connections.per_client", "7", {}});
  source.persistent.push_back({"web", "connections.total", "9", {}});
  const auto parsed = source.parse();
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(source.config.rules.front().connections.per_client, 7U);
  EXPECT_EQ(source.config.rules.front().connections.total, 9U);
  ASSERT_EQ(source.config.quotas.domains.size(), 1U);
  EXPECT_EQ(source.config.quotas.domains.front().name, "api");
}

TEST_F(SourceTest, AChangedRuleFileIsAnotherSource) {
  const Source before = load();
  EXPECT_EQ(before.rule_files, load().rule_files);
  write("rules.yaml", "domain: api\ndescriptors: [{ key: group }]\n");
  EXPECT_NE(before.rule_files, load().rule_files);
}

TEST_F(SourceTest, ARuleFileThatIsWrongFailsTheLoad) {
  write("rules.yaml", "domain: api\nunknown: 1\n");
  const auto source = Source::load(path_);
  ASSERT_FALSE(source.has_value());
  EXPECT_TRUE(source.error().message.starts_with(directory_ + "/rules.yaml:2:1: unknown key"));
}

}  // namespace
}  // namespace headgate::manage
