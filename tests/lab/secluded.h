// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/lab/network_namespace.h"
#include "tests/lab/temp_dir.h"

namespace headgate::lab {

// A program that runs headgated in a world of its own, for `netns: all`: its own network namespace
// is `network`, it sees no processes but those that it has started, and no named namespaces but
// its own. To be used as HeadgatedOptions::program or with Headgated::start(). It minds no SIGTERM:
// end it with Headgated::kill().
class Secluded {
 public:
  // `before`: lines of sh that run there first, as root. `runner`: a command that gets the daemon's
  // command line, such as strace.
  explicit Secluded(const NetworkNamespace& network, const std::string& before = "",
                    const std::string& runner = "");

  const std::string& program() const { return program_; }

 private:
  TempDir directory_;
  std::string program_;
};

}  // namespace headgate::lab
