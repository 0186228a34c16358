// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.h"

namespace headgate::cli {

inline constexpr const char* kDefaultConfigFile = "/etc/headgate/headgate.yaml";

struct PinDir {
  std::string path;
  std::string note;  // why it is not the one of the default configuration file; or empty
};

// Where the daemon pins: `pin_dir` itself, or else what the configuration file `config_file` says;
// if both are empty, what `default_file` says if it can be read, else the default. A file that is
// there and no good is passed over with a note, because detaching has to work then, too. Errors: of
// a `config_file` that was named.
Result<PinDir> find_pin_dir(const std::string& pin_dir, const std::string& config_file,
                            const std::string& default_file = kDefaultConfigFile);

}  // namespace headgate::cli
