// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/kernel/drop_listeners.h"
#include "daemon/kernel/limiter.h"
#include "daemon/manage/growing_pause.h"
#include "daemon/policy/policy.h"
#include "daemon/reply/reply_server.h"

namespace headgate::manage {

// The sockets that refused connections are steered to: in each limited namespace a pair for
// `on_limit: drop` and one for each reply, as far as a policy has use for them. Where one cannot be
// opened, the kernel resets instead, and nothing else suffers. Not thread-safe.
class RefusalSockets {
 public:
  // Both outlive this object.
  RefusalSockets(kernel::Limiter& limiter, reply::ReplyServer& server)
      : limiter_(limiter), server_(server) {}

  // Opens those that `policy` needs and that are not open; call it before the policy is in force,
  // and then now and again. Logs once what cannot be opened, and tries that again: at once, or
  // after a pause that grows.
  enum class Retry { kAtOnce, kAfterPause };
  void open(const policy::Policy& policy, Retry retry);
  // Closes those that `policy` has no use for, or whose namespace is limited no more.
  void close_unused(const policy::Policy& policy);
  // What is not open though it should be: a sentence each.
  std::vector<std::string> missing() const;

 private:
  // The namespace's cookie, and a reply's number or kDrop.
  using Key = std::pair<std::uint64_t, std::uint32_t>;
  struct Entry {
    kernel::DropListeners drop;
    std::optional<std::uint32_t> reply;  // the server's name for the sockets
    std::string missing;                 // why it is not open; empty: it is
    GrowingPause pause;
  };

  Result<void> open_drop(const kernel::NamedNamespace& netns, Entry& entry);
  Result<void> open_reply(const kernel::NamedNamespace& netns, const config::Reply& reply,
                          std::uint32_t number, Entry& entry);

  kernel::Limiter& limiter_;
  reply::ReplyServer& server_;
  std::map<Key, Entry> entries_;
  std::uint32_t last_reply_ = 0;
};

}  // namespace headgate::manage
