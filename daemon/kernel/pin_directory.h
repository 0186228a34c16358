// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace headgate::kernel {

// The directory in bpffs that keeps maps and links when the daemon is gone, locked by this process
// for as long as this object lives.
//
//   PIN_DIR/current -> state-3   (a symbolic link: what it points to is in force)
//   PIN_DIR/state-3/map_…, link_…
//
// A state is made whole before the link is turned to it, so a start that is killed leaves the
// former one. What nothing points to is left over from such a start. Not thread-safe.
class PinDirectory {
 public:
  // Mounts a bpffs if there is none (at /sys/fs/bpf for a path below it, else at the path itself),
  // makes the directory, locks it, and removes what is left over.
  // Errors: kUnavailable (locked: the message has the other process's id), kPermissionDenied,
  // kInvalidArgument (a name that bpffs does not allow), kInternal (read-only, full).
  static Result<PinDirectory> open(const std::string& path);
  // The same for a directory that may not be there, which is not made then: none.
  static Result<std::optional<PinDirectory>> open_existing(const std::string& path);

  const std::string& path() const { return path_; }
  // The state that is in force; none: there is none.
  std::optional<std::string> current() const;

  // Takes the state in force of another directory, with its pins and the programs that they keep
  // attached, in one step. This one has no state. Errors: they are on different mounts of bpffs.
  Result<void> take_from(const PinDirectory& former) const;
  // Where that is not possible: what is to be known of the state that will be replaced from here.
  void inherit(const std::optional<std::string>& state) { inherited_ = state; }
  const std::optional<std::string>& inherited() const { return inherited_; }

  // Makes an empty directory for a state that is to come.
  Result<std::string> begin() const;
  // Puts that state in the place of the current one, whose pins it removes.
  Result<void> commit(const std::string& state) const;
  // Removes every pin, so that nothing of headgate's stays attached, and the directory. Returns how
  // many links were attached.
  Result<std::size_t> remove_all() const;

 private:
  std::string next_state() const;
  Result<void> turn_to(const std::string& state) const;

  std::string path_;
  std::optional<std::string> inherited_;
  UniqueFd lock_;  // the directory itself: bpffs has no ordinary files
};

// Removes a directory of pins and all in it. A pin that is gone is no error.
Result<void> remove_pins(const std::string& directory);

}  // namespace headgate::kernel
