// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/namespace_finder.h"
#include "daemon/manage/growing_pause.h"

namespace headgate::manage {

// Which network namespaces are limited, as they come and go. Not thread-safe.
//
// With `netns: all` anybody may make namespaces, as many and as odd as he likes. Where there are
// more than places, the most trusted have them (kernel::NamespaceOrigin); and one that cannot be
// limited keeps nothing else from being limited.
class NamespaceFollower {
 public:
  NamespaceFollower() = default;
  NamespaceFollower(config::Namespaces wanted, std::size_t places)
      : wanted_(std::move(wanted)), places_(places) {}

  // Those to start with. One that is named and not there yet is followed, like one that goes and
  // comes again; but none at all is an error.
  Result<std::vector<kernel::NamedNamespace>> open();
  // What the limiter could not begin with is tried again.
  void begin(const kernel::Limiter& limiter);

  // Limits what has come and lets go of what has gone, twice in a row: it may be moving from a
  // process to a name. The error is what keeps it from seeing or limiting all; it has done the
  // rest.
  Result<void> follow(kernel::Limiter& limiter);

 private:
  struct Known {
    std::string name;
    std::string path;          // where it was seen last
    std::uint64_t cookie = 0;  // 0: it could not be opened
    bool is_limited = false;
    bool is_missing = false;  // it was not there last time
    bool is_told = false;     // that it cannot be limited
    GrowingPause pause;       // until that is tried again
  };

  bool is_limited(std::uint64_t inode) const;
  std::size_t room(const kernel::FoundNamespaces& look) const;
  std::vector<kernel::FoundNamespace> choose(const kernel::FoundNamespaces& look) const;
  void note_missing(const kernel::FoundNamespaces& look, kernel::Limiter& limiter);
  void make_room(const kernel::FoundNamespaces& look,
                 const std::vector<kernel::FoundNamespace>& chosen, kernel::Limiter& limiter);
  void add(const kernel::FoundNamespace& found, kernel::Limiter& limiter);

  config::Namespaces wanted_;
  std::size_t places_ = 0;
  std::map<std::uint64_t, Known> known_;  // by inode, which is nobody else's while it is limited
};

}  // namespace headgate::manage
