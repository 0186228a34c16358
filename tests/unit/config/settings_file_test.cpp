// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/settings_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::config {
namespace {

class SettingsFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "headgate-set-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
    config_path_ = directory_ + "/headgate.yaml";
    path_ = directory_ + "/headgate.set.yaml";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::size_t files() const {
    const std::filesystem::directory_iterator all(directory_);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  std::string directory_;
  std::string config_path_;
  std::string path_;
};

void expect_same(const std::vector<Setting>& one, const std::vector<Setting>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].rule, other[i].rule);
    EXPECT_EQ(one[i].key, other[i].key);
    EXPECT_EQ(one[i].value, other[i].value);
  }
}

TEST(SettingsPath, StandsBesideTheConfiguration) {
  EXPECT_EQ(settings_path("/etc/headgate/headgate.yaml"), "/etc/headgate/headgate.set.yaml");
  EXPECT_EQ(settings_path("h.yml"), "h.set.yaml");
  EXPECT_EQ(settings_path("/etc/headgate.d/main"), "/etc/headgate.d/main.set.yaml");
  EXPECT_EQ(settings_path("/etc/a.yaml.d/main.conf"), "/etc/a.yaml.d/main.conf.set.yaml");
}

TEST_F(SettingsFileTest, IsReadAgainAsItWasWritten) {
  const std::vector<Setting> settings = {
      {"web", "connections.per_client", "200", {}},
      {"web", "penalty", "{ after: 5, within: 10s, deny_for: 1m }", {}},
      {"007", "reply", R"({ raw: "a\x00\"\\\x0d\x0a: é" })", {}},
      {"null", "listen", R"([443, "[::1]:80", "8000-8010"])", {}},
      {"web", "handshake_timeout", "\"5s\"", {}},
  };
  ASSERT_TRUE(save_settings(path_, settings).has_value());
  const Result<std::vector<Setting>> loaded = load_settings(path_);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  expect_same(*loaded, settings);
  EXPECT_EQ(loaded->at(0).position.line, 4);
  EXPECT_EQ(loaded->at(0).position.column, 5);

  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(read(path_).substr(0, 1), "#");
}

TEST_F(SettingsFileTest, ValuesAreWrittenInOneForm) {
  const auto text = format_settings({{"web", "penalty", "{within: 10s,  after: 5}  # why", {}}});
  ASSERT_TRUE(text.has_value());
  EXPECT_TRUE(
      text->ends_with("set:\n  - { rule: web, key: penalty, value: { within: 10s, after: 5 } }\n"))
      << *text;
}

TEST_F(SettingsFileTest, NoneAreWrittenAndRead) {
  EXPECT_TRUE(load_settings(path_)->empty());  // there is no file
  ASSERT_TRUE(save_settings(path_, {}).has_value());
  EXPECT_TRUE(load_settings(path_)->empty());
  write(path_, "");
  EXPECT_TRUE(load_settings(path_)->empty());
}

TEST_F(SettingsFileTest, ABadValueLeavesTheFileAsItIs) {
  write(path_, "set: []\n");
  const Result<void> saved = save_settings(path_, {{"web", "mode", "{ a: ", {}}});
  ASSERT_FALSE(saved.has_value());
  EXPECT_EQ(saved.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read(path_), "set: []\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(SettingsFileTest, ADirectoryThatCannotBeWrittenIsAnError) {
  write(path_, "set: []\n");
  const uid_t user = ::geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  } else {
    ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
  }
  const Result<void> saved = save_settings(path_, {{"web", "mode", "monitor", {}}});
  ASSERT_EQ(::seteuid(user), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  ASSERT_FALSE(saved.has_value());
  EXPECT_EQ(saved.error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(saved.error().message, path_ + ": cannot write in its directory: Permission denied");
  EXPECT_EQ(read(path_), "set: []\n");

  const std::string nowhere = directory_ + "/none/headgate.set.yaml";
  EXPECT_EQ(save_settings(nowhere, {}).error().message,
            nowhere + ": cannot open its directory: No such file or directory");
  // Nothing is left where the last step fails.
  std::filesystem::create_directory(directory_ + "/taken.set.yaml");
  EXPECT_FALSE(save_settings(directory_ + "/taken.set.yaml", {}).has_value());
  EXPECT_EQ(files(), 2U);
}

TEST_F(SettingsFileTest, SaysWhereItIsWrong) {
  const auto message = [](const std::string& text) {
    const Result<std::vector<Setting>> settings = parse_settings(text, "f");
    return settings ? "no error" : settings.error().message;
  };
  EXPECT_EQ(message("5"), "f:1:1: this is '5'; a map of 'key: value' lines would be right");
  EXPECT_EQ(message("{}"), "f:1:1: 'set' is missing from the settings; 'set: …' would be right");
  EXPECT_EQ(message("rules: []"), "f:1:1: unknown key 'rules' in the settings; known keys: set");
  EXPECT_EQ(message("set: {}"), "f:1:6: 'set' is a map; a list of '- ' items would be right");
  EXPECT_EQ(message("set: [web]"),
            "f:1:7: this is 'web'; a map of 'key: value' lines would be right");
  EXPECT_EQ(message("set: [{ rule: web, value: 1 }]"),
            "f:1:7: 'key' is missing from a setting; 'key: …' would be right");
  EXPECT_EQ(message("set: [{ rule: web, key: mode }]"),
            "f:1:7: 'value' is missing from a setting; 'value: …' would be right");
  EXPECT_EQ(message("set: [{ key: mode, value: 1 }]"),
            "f:1:7: 'rule' is missing from a setting; 'rule: …' would be right");
  EXPECT_EQ(message("set: [{ rule: [], key: mode, value: 1 }]"),
            "f:1:15: 'rule' is a list; the name of a rule would be right");
  EXPECT_EQ(message("set: [{ rule: web, key: '', value: 1 }]"),
            "f:1:25: 'key' is ''; a key such as connections.per_client would be right");
  EXPECT_EQ(message("set: [{ rule: web, key: mode, value: ~ }]"),
            "f:1:38: 'value' is empty; a value such as 200 would be right");
  EXPECT_EQ(message("set: [{ rule: web, key: mode, value: 1, file: x }]"),
            "f:1:41: unknown key 'file' in a setting; did you mean 'rule'? Known keys: rule, key, "
            "value");
  EXPECT_EQ(message("set:\n  - { rule: a, key: mode, value: monitor }\n"
                    "  - { rule: a, key: mode, value: enforce }\n"),
            "f:3:5: duplicate setting of 'mode' for 'a', first at line 2; each once would be "
            "right");
  EXPECT_EQ(message("set: [\x01]"),
            "f:1:7: byte 0x01 is a control character; a YAML file in UTF-8 would be right");
}

TEST_F(SettingsFileTest, LoadTakesThemIn) {
  write(config_path_, "rules:\n  - { name: web, listen: 443, connections: { per_client: 1 } }\n");
  EXPECT_EQ(load(config_path_)->rules.at(0).connections.per_client, 1U);
  ASSERT_TRUE(save_settings(path_, {{"web", "connections.per_client", "200", {}}}).has_value());
  EXPECT_EQ(load(config_path_)->rules.at(0).connections.per_client, 200U);
  EXPECT_EQ(load(config_path_, {})->rules.at(0).connections.per_client, 1U);
  const Result<Loaded> loaded = load_with_settings(config_path_);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->config.rules.at(0).connections.per_client, 200U);
  EXPECT_EQ(loaded->settings.size(), 1U);
}

TEST_F(SettingsFileTest, LoadSaysWhichFileIsWrong) {
  write(config_path_, "rules: [{ name: web, listen: 443 }]\n");
  write(path_, "set: 5");
  EXPECT_EQ(load(config_path_).error().message,
            path_ + ":1:6: 'set' is '5'; a list of '- ' items would be right");
  write(path_, "set:\n  - { rule: old, key: mode, value: monitor }\n");
  EXPECT_EQ(load(config_path_).error().message,
            path_ +
                ":2:5: set old mode=monitor: there is no rule 'old'; the rules are web; this "
                "item without effect should be removed, or its rule renamed");
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(load(config_path_).error().message,
            path_ + ": is not a regular file; the path of a YAML file would be right");
  write(config_path_ + "2", "rules: 5");
  EXPECT_EQ(load(directory_ + "/none.yaml").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace headgate::config
