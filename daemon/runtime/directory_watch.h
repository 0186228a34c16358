// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/runtime/event_loop.h"

namespace headgate::runtime {

// Tells when files in a directory have changed: written, moved there or removed. The directory and
// not a file, since editors and configuration managers replace files.
class DirectoryWatch {
 public:
  // Of the directory that `path` is in.
  static Result<DirectoryWatch> open(const std::string& path);

  // Calls `on_change` once a burst of changes has been over for 100 ms. This object outlives the
  // loop's run().
  void add_to(EventLoop& loop, std::function<void()> on_change);

 private:
  void wait_for_calm();

  UniqueFd inotify_;
  UniqueFd timer_;
};

}  // namespace headgate::runtime
