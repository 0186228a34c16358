// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/mapping.h"
#include "common/unique_fd.h"
#include "quota/attach.h"
#include "quota/service_policy.h"

namespace headgate::client {

// A connection to the daemon, which has let us in. One thread at a time.
class Connection {
 public:
  struct Failure {
    std::string why;                  // for people
    bool has_no_such_domain = false;  // the daemon has answered, and does not know it
  };
  // Waits at most a second for the answer, and no longer than until `wake` can be read. Null, and
  // why.
  static std::unique_ptr<Connection> open(const std::string& socket, const std::string& domain,
                                          std::uint32_t leases, Failure& failure, int wake = -1);
  // The daemon gives back what our leases hold then.
  ~Connection();

  std::unique_ptr<Mapping> take_mapping() { return std::move(mapping_); }
  // The first rules are there at once, others when read() has brought them; the newest ones.
  std::unique_ptr<quota::ServicePolicy> take_policy() { return std::move(policy_); }
  std::vector<quota::attach::Throttle> take_throttles() { return std::move(throttles_); }

  int fd() const { return fd_.get(); }
  // Takes what has come, without waiting. False: the daemon has gone, or what it has sent cannot be
  // used.
  bool read();
  enum class Sent { kYes, kNoRoom, kGone };
  // Never waits. kNoRoom: the daemon has not read what was said before.
  Sent send(std::string_view message);

 private:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}
  bool enter(const std::string& domain, std::uint32_t leases, int wake, Failure& failure);

  UniqueFd fd_;
  std::unique_ptr<Mapping> mapping_;
  std::unique_ptr<quota::ServicePolicy> policy_;
  std::vector<quota::attach::Throttle> throttles_;
};

}  // namespace headgate::client
