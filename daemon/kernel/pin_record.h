// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/result.h"

namespace headgate::kernel {

// Where a service keeps what must not outlive a reboot.
inline constexpr const char* kUsualRuntimeDirectory = "/run/headgate";

// The directories in which daemons with one configuration file may have pins: a file that is
// written before anything is pinned, so that limits are found also when `pin_dir` is another one by
// now, or the configuration can no longer be read.
//
//   RUNTIME_DIRECTORY/pins/%2Fetc%2Fheadgate%2Fheadgate.yaml: one directory a line
//
// A directory that is listed may be gone, or have no pins. Not thread-safe.
class PinRecord {
 public:
  PinRecord(const std::string& runtime_directory, const std::string& config_file);

  // The one added last comes last. Errors: it is there and cannot be read.
  Result<std::vector<std::string>> list() const;
  Result<void> add(const std::string& pin_dir) const;
  // Takes it off the list. Without a line there is no file.
  Result<void> strike(const std::string& pin_dir) const;

 private:
  Result<void> write(const std::vector<std::string>& pin_dirs) const;

  std::filesystem::path file_;
};

}  // namespace headgate::kernel
