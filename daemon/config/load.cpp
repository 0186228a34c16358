// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/file.h"
#include "daemon/config/parse.h"
#include "daemon/config/rule_files.h"
#include "daemon/config/settings_file.h"

namespace headgate::config {

Result<Config> load(const std::string& path) {
  Result<Loaded> loaded = load_with_settings(path);
  if (!loaded) return tl::unexpected(std::move(loaded).error());
  return std::move(loaded->config);
}

Result<Config> load(const std::string& path, const std::vector<Setting>& settings) {
  const Result<std::string> text = read_file(path);
  if (!text) return tl::unexpected(text.error());
  Result<Config> config = parse(*text, path, settings);
  if (!config) return config;
  const Result<std::vector<RuleFile>> files = read_rule_files(config->quotas);
  if (!files) return tl::unexpected(files.error());
  Result<void> added = add_rule_files(*files, config->quotas);
  if (!added) return tl::unexpected(std::move(added).error());
  return config;
}

Result<Loaded> load_with_settings(const std::string& path) {
  Result<std::vector<Setting>> settings = load_settings(settings_path(path));
  // The configuration's own errors come first.
  Result<Config> config = load(path, settings ? *settings : std::vector<Setting>{});
  if (!config) return tl::unexpected(std::move(config).error());
  if (!settings) return tl::unexpected(std::move(settings).error());
  return Loaded{*std::move(config), *std::move(settings)};
}

}  // namespace headgate::config
