// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/refusal_sockets.h"

#include <algorithm>
#include <limits>
#include <set>

#include <spdlog/spdlog.h>

namespace headgate::manage {
namespace {

constexpr std::uint32_t kDrop = std::numeric_limits<std::uint32_t>::max();

// What refusals a policy needs sockets for: replies by their numbers, kDrop.
std::map<std::uint32_t, const config::Reply*> uses_of(const policy::Policy& policy) {
  std::map<std::uint32_t, const config::Reply*> uses;
  for (const auto& [reply, number] : policy.numbers.replies) uses[number] = &reply;
  const bool drops = std::any_of(policy.rules.begin(), policy.rules.end(), [](const auto& rule) {
    return rule.second.limits.action == HG_ACTION_DROP;
  });
  if (drops) uses[kDrop] = nullptr;
  return uses;
}

}  // namespace

void RefusalSockets::open(const policy::Policy& policy, Retry retry) {
  const auto uses = uses_of(policy);
  for (const kernel::NamedNamespace& netns : limiter_.namespaces()) {
    for (const auto& [number, reply] : uses) {
      const auto [at, is_new] = entries_.try_emplace(Key(netns.netns->cookie(), number));
      Entry& entry = at->second;
      if (!is_new && entry.missing.empty()) continue;
      if (retry == Retry::kAfterPause && !entry.pause.is_over()) continue;
      const auto opened =
          number == kDrop ? open_drop(netns, entry) : open_reply(netns, *reply, number, entry);
      if (opened) {
        if (!entry.missing.empty())
          spdlog::info("refusals in {} get no reset any more", netns.name);
        entry.missing.clear();
        entry.pause = {};
        continue;
      }
      std::string missing =
          "refusals in " + netns.name + " get a reset: " + opened.error().to_string();
      if (missing != entry.missing) spdlog::error("{}", missing);
      entry.missing = std::move(missing);
      entry.pause.begin();
    }
  }
}

Result<void> RefusalSockets::open_drop(const kernel::NamedNamespace& netns, Entry& entry) {
  auto listeners = kernel::DropListeners::open(*netns.netns);
  if (!listeners) return tl::unexpected(listeners.error());
  entry.drop = std::move(*listeners);
  return limiter_.set_drop_listeners(netns.netns->cookie(),
                                     {entry.drop.ipv4.get(), entry.drop.ipv6.get()});
}

Result<void> RefusalSockets::open_reply(const kernel::NamedNamespace& netns,
                                        const config::Reply& reply, std::uint32_t number,
                                        Entry& entry) {
  reply::Listeners listeners;
  auto opened = netns.netns->run_inside([&listeners]() -> Result<void> {
    auto found = reply::open_listeners();
    if (!found) return tl::unexpected(found.error());
    listeners = std::move(*found);
    return {};
  });
  if (!opened) return opened;
  const kernel::ListenerFds fds{listeners.ipv4.get(), listeners.ipv6.get()};
  const std::uint32_t slot = ++last_reply_;
  // The server first: once the kernel knows them, clients come.
  if (auto added = server_.add(slot, reply, std::move(listeners)); !added) return added;
  if (auto set = limiter_.set_reply_listeners(netns.netns->cookie(), number, fds); !set) {
    server_.remove(slot);
    return set;
  }
  entry.reply = slot;
  return {};
}

void RefusalSockets::close_unused(const policy::Policy& policy) {
  const auto uses = uses_of(policy);
  std::set<std::uint64_t> limited;
  for (const auto& netns : limiter_.namespaces()) limited.insert(netns.netns->cookie());
  std::erase_if(entries_, [&](const auto& one) {
    const auto& [key, entry] = one;
    if (limited.count(key.first) > 0 && uses.count(key.second) > 0) return false;
    if (entry.reply) server_.remove(*entry.reply);
    return true;
  });
}

std::vector<std::string> RefusalSockets::missing() const {
  std::vector<std::string> all;
  for (const auto& [key, entry] : entries_) {
    if (!entry.missing.empty()) all.push_back(entry.missing);
  }
  return all;
}

}  // namespace headgate::manage
