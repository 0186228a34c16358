// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/kernel/pin_record.h"

namespace headgate::cli {

inline constexpr const char* kDefaultConfigFile = "/etc/headgate/headgate.yaml";

struct PinDir {
  std::string path;
  std::string note;  // why it is not the one of the default configuration file; or empty
};

// Where the daemon pins: `pin_dir` itself, or else what the configuration file `config_file` says;
// if both are empty, what `default_file` says if it can be read, else the default. A file that is
// there and no good is passed over with a note. Errors: of a `config_file` that was named.
Result<PinDir> find_pin_dir(const std::string& pin_dir, const std::string& config_file,
                            const std::string& default_file = kDefaultConfigFile);

struct PinDirs {
  std::vector<std::string> paths;  // at least one; what is in force now comes first
  std::string note;                // why the configuration does not count; or empty
  std::vector<kernel::PinRecord> records;
};

// Where daemons with that configuration may have pins: in the `pin_dir` of now, and where one has
// recorded, in one of these directories or in that of its control socket, that it had one before.
// With `pin_dir`: there only. If the configuration cannot be read, the record alone counts. Errors:
// there is none either; it cannot be read.
Result<PinDirs> find_pin_dirs(const std::string& pin_dir, const std::string& config_file,
                              const std::vector<std::string>& runtime_directories,
                              const std::string& default_file = kDefaultConfigFile);

}  // namespace headgate::cli
