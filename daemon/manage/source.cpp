// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/source.h"

#include <utility>

#include "daemon/config/file.h"
#include "daemon/config/parse.h"
#include "daemon/config/settings_file.h"

namespace headgate::manage {

Result<Source> Source::load(const std::string& path) {
  Source source;
  source.path = path;
  Result<std::string> text = config::read_file(path);
  if (!text) return tl::unexpected(text.error());
  source.text = *std::move(text);
  auto settings = config::load_settings(config::settings_path(path));
  if (!settings) return tl::unexpected(settings.error());
  source.persistent = *std::move(settings);
  auto parsed = config::parse(source.text, path, source.persistent);
  if (!parsed) return tl::unexpected(parsed.error());
  source.config = *std::move(parsed);
  return source;
}

}  // namespace headgate::manage
