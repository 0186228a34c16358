// SPDX-License-Identifier: Apache-2.0
#include "cli/pin_dir.h"

#include "daemon/config/parse.h"

namespace headgate::cli {

Result<PinDir> find_pin_dir(const std::string& pin_dir, const std::string& config_file,
                            const std::string& default_file) {
  if (!pin_dir.empty()) return PinDir{pin_dir, ""};
  const auto config = config::load(config_file.empty() ? default_file : config_file);
  if (config) return PinDir{config->pin_dir, ""};
  if (!config_file.empty()) return tl::unexpected(config.error());
  const std::string usual = config::Config().pin_dir;
  if (config.error().code == ErrorCode::kNotFound) return PinDir{usual, ""};
  return PinDir{usual, config.error().to_string() + "; looking in " + usual};
}

}  // namespace headgate::cli
