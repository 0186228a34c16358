// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace headgate::kernel {

// One thing that headgate needs of the machine it runs on, or could use.
struct Requirement {
  enum class Level {
    kRequired,  // without it headgate does not do its work here
    kOptional,  // something else takes its place, or nothing needs it yet: `meaning` says which
  };
  std::string name;
  Level level = Level::kRequired;
  bool is_met = false;
  std::string found;    // what was found, or what the kernel said
  std::string meaning;  // what it is for
  std::string remedy;   // what to do about it; empty if met

  bool is_lacking() const { return !is_met && level == Level::kRequired; }
};

// Examines the machine. Kernel features are probed by loading programs, one at a time, which are
// attached to nothing and unloaded at once; what a version or a configuration promises is not
// taken for it. Changes nothing. Works without a daemon; needs root for most answers. `pin_dir` is
// where the daemon would pin.
std::vector<Requirement> probe_requirements(const std::string& pin_dir);

}  // namespace headgate::kernel
