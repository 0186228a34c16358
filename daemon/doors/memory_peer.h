// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/unique_fd.h"
#include "daemon/quota/account.h"
#include "daemon/quota/engine.h"
#include "quota/attach.h"

namespace headgate::doors {

// One service at the door for memory: what it has been given, and what it says. Its leases are
// given back when this ends, unless it is kept. One thread.
class MemoryPeer {
 public:
  // `fd`: the accepted connection, which does not block. The engine outlives it.
  MemoryPeer(UniqueFd fd, quota::Engine& engine);
  ~MemoryPeer();
  MemoryPeer(const MemoryPeer&) = delete;
  MemoryPeer& operator=(const MemoryPeer&) = delete;

  int fd() const { return fd_.get(); }
  // Becomes readable when the process has ended that connected; -1: nobody knows.
  int process() const { return process_.get(); }
  bool has_entered() const { return account_ != nullptr; }

  // Takes some of what has come. False: it has gone, or has said nonsense.
  bool read();
  // The door closes, and the service goes on without us: what it holds, it holds.
  void keep() { account_.reset(); }

  // Sends the rules if they are others than it has. False: its domain has gone.
  bool follow_rules();

 private:
  bool take(std::string_view message);
  bool enter(const quota::attach::Hello& hello);
  bool refuse(quota::attach::Status status);
  void note_times(std::string_view message);
  bool send(std::string_view message, std::initializer_list<int> fds) const;

  UniqueFd fd_;
  UniqueFd process_;
  quota::Engine& engine_;
  std::string domain_;
  std::shared_ptr<quota::Account> account_;
  quota::Account::Leases leases_;
  std::string rules_;  // that it has
};

}  // namespace headgate::doors
