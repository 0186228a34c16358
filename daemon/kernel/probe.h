// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace headgate::kernel {

// One thing that headgate needs of the machine it runs on.
struct Requirement {
  std::string name;
  bool is_met = false;
  std::string found;    // what was found, or what the kernel said
  std::string meaning;  // what it is for
  std::string remedy;   // what to do about it; empty if met
};

// Examines the machine: kernel features are probed by loading our own programs, one at a time, and
// unloading them at once. Changes nothing. Works without a daemon; needs root for most answers.
std::vector<Requirement> probe_requirements();

}  // namespace headgate::kernel
