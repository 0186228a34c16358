// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "daemon/config/parse.h"
#include "daemon/config/settings_file.h"
#include "fuzz.h"

namespace headgate {
namespace {

constexpr char kConfig[] =
    "rules: [{ name: web, listen: 443, new_connections: { total: 5/s }, connections: { total: 9, "
    "reserve: 3 } }]";

void check_round_trip(const std::vector<config::Setting>& settings) {
  const auto text = config::format_settings(settings);
  require(text.has_value(), "what was read can be written");
  const auto again = config::parse_settings(*text, "f");
  require(again.has_value(), "what was written can be read");
  require(again->size() == settings.size(), "as many are read as were written");
  for (std::size_t i = 0; i < settings.size(); ++i) {
    require((*again)[i].rule == settings[i].rule && (*again)[i].key == settings[i].key &&
                (*again)[i].value == settings[i].value,
            "a setting is read as it was written");
  }
}

}  // namespace
}  // namespace headgate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxSize = 2048;  // escaped, a value is still shorter than its bound
  if (size > kMaxSize) return -1;
  const std::string_view text = headgate::input_text(data, size);
  const auto settings = headgate::config::parse_settings(text, "f");
  if (settings) {
    headgate::check_round_trip(*settings);
    const auto config = headgate::config::parse(headgate::kConfig, "f", *settings);
    if (!config) headgate::require_clean(config.error());
  } else {
    headgate::require_clean(settings.error());
  }

  // And as what a caller of `headgatectl set` may send.
  const std::size_t equals = std::min(text.find('='), text.size());
  const headgate::config::Setting live = {"web",
                                          std::string(text.substr(0, equals)),
                                          std::string(text.substr(std::min(equals + 1, size))),
                                          {}};
  const auto config = headgate::config::parse(headgate::kConfig, "f", {live});
  if (!config) headgate::require_clean(config.error());
  return 0;
}
