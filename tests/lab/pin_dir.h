// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace headgate::lab {

// A name for a `pin_dir` on a bpffs that the lab mounts; all that is pinned there is removed at the
// end, and so is the mount with the last of them.
class PinDir {
 public:
  PinDir();
  ~PinDir();
  PinDir(const PinDir&) = delete;
  PinDir& operator=(const PinDir&) = delete;

  const std::string& path() const { return path_; }
  // Removes every pin: what is pinned by nobody else is detached.
  void clear() const;

 private:
  std::string path_;
};

}  // namespace headgate::lab
