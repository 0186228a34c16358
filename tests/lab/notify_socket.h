// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/unique_fd.h"
#include "tests/lab/temp_dir.h"

namespace headgate::lab {

// systemd's end of NOTIFY_SOCKET, which is in the environment of what is started while this object
// lives. Not thread-safe.
class NotifySocket {
 public:
  NotifySocket();
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The last STATUS= that has arrived: what `systemctl status` would show.
  const std::string& status();
  // How many READY=1 have arrived.
  int times_ready();

 private:
  void receive();

  TempDir directory_;
  UniqueFd socket_;
  std::string status_;
  int times_ready_ = 0;
};

}  // namespace headgate::lab
