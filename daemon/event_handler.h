// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/manage/live_manager.h"

namespace headgate {

// Carries out the kernel's events: closes the sockets beyond a limit, logs each event and hands it
// to whoever follows. One thread.
class EventHandler {
 public:
  explicit EventHandler(manage::LiveManager& manager);

  void drain();
  // Overshoot events that were lost left connections open beyond a limit: finds and closes them.
  void make_up_for_losses();
  // Tries again to close what could not be closed or found.
  void retry();

 private:
  void close_overshoot();
  void handle(const std::vector<hg_event>& events);
  void destroy(const hg_event& event);

  manage::LiveManager& manager_;
  std::uint64_t lost_ = 0;
  // A connection beyond a limit may still be open: also one from when no daemon was there.
  bool has_failed_ = true;
};

}  // namespace headgate
