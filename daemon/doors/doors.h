// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include <prometheus/collectable.h>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// By which services ask for quotas: gRPC on a Unix socket, memory to decide in by themselves, and
// TCP and HTTP where that is configured. Open until destroyed, which takes less than a second.
class Doors {
 public:
  // Can they be opened? Makes the socket's path free, reads the TLS files, listens on the addresses
  // and closes them again. Call it before anything is enforced. Errors: as open().
  static Result<void> prepare(const config::Quotas& quotas);

  // After prepare(). Errors: kUnavailable, kInvalidArgument, kNotFound, kPermissionDenied; no door
  // is open then. The engine outlives the doors. Changes the umask of the process meanwhile.
  static Result<std::unique_ptr<Doors>> open(const config::Quotas& quotas, quota::Engine& engine);
  ~Doors();

  // After each change of the rules. Any thread.
  void follow_rules();

  // headgate_quota_request_duration_seconds for the metrics page; outlives the doors.
  std::shared_ptr<prometheus::Collectable> latency() const;

  // Of the TCP addresses; 0: there is none.
  std::uint16_t grpc_port() const;
  std::uint16_t http_port() const;

 private:
  struct State;
  explicit Doors(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Can anybody beyond this host ask, without a certificate? Worth a warning.
bool is_open_to_the_network(const config::Quotas& quotas);

}  // namespace headgate::doors
