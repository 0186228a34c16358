// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
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

  // Takes a message, if one has come. kEnd: it says no more.
  enum class Said { kSense, kNonsense, kEnd };
  Said read();

  // It has closed the connection: what it held is free. What it has said before can still be read.
  void give_back();
  // The same, for its process has ended.
  void end_process();
  // The connection ends, but not because of it: it may go on using what it holds until it learns of
  // that, so it is given back when it has closed its end or its process has ended.
  void send_away();
  bool is_leaving() const { return is_leaving_; }
  // The door closes, and the service goes on without us: what it holds, it holds.
  void keep() { account_.reset(); }

  // Sends the rules if they are others than it has. False: its domain has gone.
  bool follow_rules();
  // The newest could not be sent: try again, also when the socket becomes writable if it was full.
  bool is_behind() const { return is_behind_; }
  bool has_no_room() const { return has_no_room_; }

 private:
  bool take(std::string_view message);
  bool enter(const quota::attach::Hello& hello);
  template <typename Item>
  bool note(std::string_view message);
  bool refuse(quota::attach::Status status);
  void note_times(std::string_view message);
  bool send(std::string_view message, std::initializer_list<int> fds) const;

  UniqueFd fd_;
  UniqueFd process_;
  quota::Engine& engine_;
  std::string domain_;
  std::shared_ptr<quota::Account> account_;
  quota::Account::Leases leases_;
  std::shared_ptr<const quota::ServiceRules> rules_;  // that it has
  bool is_behind_ = false;
  bool has_no_room_ = false;
  bool is_leaving_ = false;
};

}  // namespace headgate::doors
