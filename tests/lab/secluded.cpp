// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/secluded.h"

#include <filesystem>

namespace headgate::lab {

Secluded::Secluded(const NetworkNamespace& network, const std::string& before,
                   const std::string& runner) {
  const std::string inside =
      directory_.write("inside",
                       "for names in /run/netns /run/docker/netns; do\n"
                       "  [ ! -d $names ] || mount -t tmpfs none $names\n"
                       "done\n" +
                           before + "\nexec " + runner + " " HEADGATED_PROGRAM " \"$@\"\n");
  program_ = directory_.write("headgated", "#!/bin/sh\nexec nsenter --net=" + network.path() +
                                               " unshare -m -p -f --kill-child --mount-proc sh " +
                                               inside + " \"$@\"\n");
  std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
}

}  // namespace headgate::lab
