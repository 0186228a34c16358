// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/front_follower.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>
#include <spdlog/spdlog.h>

#include "daemon/kernel/front_links.h"

namespace headgate::manage {
namespace {

bool is_same(const kernel::FrontLink& a, const kernel::FrontLink& b) {
  return a.outer_vlan == b.outer_vlan && a.inner_vlan == b.inner_vlan &&
         std::memcmp(&a.link, &b.link, sizeof(a.link)) == 0;
}

bool is_same(const std::vector<kernel::FrontLink>& a, const std::vector<kernel::FrontLink>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& one, const auto& other) { return is_same(one, other); });
}

constexpr const char* kAbsent = "there is no such interface now; it gets one when it comes";

// Names are bytes that whoever may make interfaces has chosen: for the log, labels and answers.
std::string printable(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const bool is_plain = c > ' ' && c < 0x7f && c != '"' && c != '\\';
    text += is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

const char* mode_name(const kernel::FrontHook& hook) {
  return hook.is_native ? "native" : "generic";
}

// Only root gives names: whoever may make namespaces could take all the numbers that interfaces
// have.
bool has_name(const kernel::NamedNamespace& netns) {
  return netns.name.rfind("netns:[", 0) != 0;
}

std::string place_name(const kernel::FrontHook& hook) {
  if (hook.is_alone) return "alone: there is no dispatcher for XDP programs on this kernel";
  return "in the dispatcher of libxdp, with " + std::to_string(hook.others) + " other programs";
}

}  // namespace

void FrontFollower::want(const config::Xdp& wanted) {
  wanted_ = wanted;
  has_changed_ = true;
}

// None: it is not to have a front line.
std::optional<FrontFollower::Wish> FrontFollower::wish_for(
    const kernel::Interface& interface) const {
  for (const config::XdpInterface& one : wanted_.interfaces) {
    if (fnmatch(one.name.c_str(), interface.name.c_str(), 0) != 0) continue;
    // A pattern means those that it is possible on.
    if (!interface.is_ethernet && one.name != interface.name) return std::nullopt;
    return Wish{one.mode, wanted_.priority};
  }
  return std::nullopt;
}

void FrontFollower::follow(kernel::Limiter& limiter) {
  note_namespaces(limiter);
  for (auto& [cookie, netns] : namespaces_) follow_in(netns, limiter);
  if (has_changed_) {
    for (const std::string& name : find_absent()) {
      spdlog::warn("no front line on {}: {}", name, kAbsent);
    }
  }
  has_changed_ = false;
  publish();
}

// The interfaces that are named, and in none of the namespaces.
std::vector<std::string> FrontFollower::find_absent() const {
  std::vector<std::string> absent;
  for (const config::XdpInterface& wanted : wanted_.interfaces) {
    if (wanted.name.find_first_of("*?[") != std::string::npos) continue;
    const bool is_there =
        std::any_of(namespaces_.begin(), namespaces_.end(), [&wanted](const auto& netns) {
          const auto& known = netns.second.known;
          return std::any_of(known.begin(), known.end(), [&wanted](const auto& one) {
            return one.second.name == printable(wanted.name);
          });
        });
    if (!is_there) absent.push_back(printable(wanted.name));
  }
  return absent;
}

void FrontFollower::note_namespaces(kernel::Limiter& limiter) {
  std::set<std::uint64_t> limited;
  for (const kernel::NamedNamespace& one : limiter.namespaces()) {
    if (!has_name(one)) continue;
    const std::uint64_t cookie = one.netns->cookie();
    limited.insert(cookie);
    Namespace& netns = namespaces_[cookie];
    netns.name = one.name;
    netns.netns = one.netns;
  }
  for (auto one = namespaces_.begin(); one != namespaces_.end();) {
    if (limited.count(one->first) > 0) {
      ++one;
      continue;
    }
    for (const auto& [index, known] : one->second.known) {
      let_go(one->second, index, known, limiter);
    }
    (void)limiter.set_addresses(one->first, {});
    one = namespaces_.erase(one);
  }
  limiter.drop_foreign_fronts(limited);  // of an earlier daemon
}

bool FrontFollower::is_due(Namespace& netns) const {
  // Looked at in any case: what has changed until now is then seen by what follows.
  const bool may_have_changed = netns.interfaces->may_have_changed();
  return may_have_changed || has_changed_ ||
         std::any_of(netns.known.begin(), netns.known.end(), [](const auto& one) {
           return !one.second.error.empty() && one.second.pause.is_over();
         });
}

void FrontFollower::follow_in(Namespace& netns, kernel::Limiter& limiter) {
  if (!netns.pause.is_over()) return;
  if (wanted_.interfaces.empty() && netns.known.empty() && !netns.is_first_look) {
    netns.interfaces.reset();  // nobody asks
    return;
  }
  Result<std::vector<kernel::Interface>> all;
  if (!netns.interfaces) {
    auto opened = kernel::InterfaceList::open(*netns.netns);
    if (opened) {
      netns.interfaces = std::move(*opened);
    } else {
      all = tl::unexpected(opened.error());
    }
  }
  if (netns.interfaces) {
    if (!is_due(netns)) return;
    all = netns.interfaces->read();
  }
  if (!all) {
    const std::string now = all.error().to_string();
    if (now != netns.error) spdlog::error("the interfaces of {} are unknown: {}", netns.name, now);
    netns.error = now;
    netns.interfaces.reset();  // what has changed until it works again must not be missed
    netns.pause.begin();
    return;
  }
  netns.error.clear();
  netns.pause = {};
  if (!wanted_.interfaces.empty()) follow_addresses(netns, limiter);
  const auto inside = netns.netns->run_inside([&]() -> Result<void> {
    compare(netns, *all, limiter);
    return {};
  });
  if (!inside) spdlog::error("cannot enter {}: {}", netns.name, inside.error().to_string());
}

void FrontFollower::follow_addresses(Namespace& netns, kernel::Limiter& limiter) {
  auto now = netns.interfaces->read_addresses();
  Result<void> done;
  if (!now) {
    done = tl::unexpected(now.error());
  } else if (*now != netns.addresses) {
    done = limiter.set_addresses(netns.netns->cookie(), *now);
    if (done) netns.addresses = *std::move(now);
  }
  if (!done) spdlog::error("{}: {}", netns.name, done.error().to_string());
}

// Inside the namespace.
void FrontFollower::compare(Namespace& netns, const std::vector<kernel::Interface>& all,
                            kernel::Limiter& limiter) {
  std::map<std::uint32_t, Known> former = std::exchange(netns.known, {});
  for (const kernel::Interface& interface : all) {
    const auto wish = wish_for(interface);
    // Also one whose maps could not be taken over: it would go on judging by its own.
    if (!wish && netns.is_first_look) take_off(netns, interface.index, printable(interface.name));
    if (!wish) continue;
    Known& known = netns.known[interface.index];
    if (const auto one = former.find(interface.index); one != former.end()) {
      known = std::move(one->second);
      former.erase(one);
    }
    known.name = printable(interface.name);
    keep_up(netns, interface, *wish, all, limiter, known);
  }
  for (const auto& [index, known] : former) {
    const bool is_there =
        std::any_of(all.begin(), all.end(),
                    [index = index](const kernel::Interface& one) { return one.index == index; });
    if (is_there) {
      let_go(netns, index, known, limiter);
    } else {
      note_vanished(netns, index, known, limiter);
    }
  }
  drop_former(netns, limiter);
  netns.is_first_look = false;
}

// What an earlier daemon has left on interfaces that are not wanted now.
void FrontFollower::drop_former(const Namespace& netns, kernel::Limiter& limiter) const {
  for (const kernel::Front& front : limiter.fronts()) {
    if (front.netns_cookie != netns.netns->cookie() || netns.known.count(front.index) > 0) continue;
    take_off(netns, front.index, "interface " + std::to_string(front.index));
    (void)limiter.forget_front(front.number);
  }
}

void FrontFollower::keep_up(const Namespace& netns, const kernel::Interface& interface,
                            const Wish& wish, const std::vector<kernel::Interface>& all,
                            kernel::Limiter& limiter, Known& known) {
  if (known.hook) {
    const auto there = kernel::find_front(interface.index);
    if (there && !*there) {
      spdlog::warn("{}: somebody has detached the front line of {}", netns.name, known.name);
      known.hook.reset();
    } else if (there) {
      known.hook = **there;
    }
  }
  const bool is_tried = known.error.empty() || known.pause.is_over() || has_changed_;
  if ((!known.hook || !(known.wish == wish)) && is_tried) {
    const auto attached = attach(netns, interface, wish, limiter, known);
    const std::string error = attached ? std::string() : attached.error().to_string();
    if (!error.empty() && error != known.error) {
      spdlog::error("{}: no front line on {}: {}", netns.name, known.name, error);
    }
    known.error = error;
    if (attached) {
      known.pause = {};
    } else {
      known.pause.begin();
      // One in another mode had to go first.
      const auto left = kernel::find_front(interface.index);
      known.hook = left ? *left : std::nullopt;
    }
  }
  if (!known.number) return;
  auto links = kernel::find_links(interface, all, kernel::may_hide_tags(interface.name));
  if (is_same(links, known.links)) return;
  if (auto set = limiter.set_links(*known.number, links); !set) {
    spdlog::error("{}: {}: {}", netns.name, known.name, set.error().to_string());
    return;
  }
  known.links = std::move(links);
}

Result<void> FrontFollower::attach(const Namespace& netns, const kernel::Interface& interface,
                                   const Wish& wish, kernel::Limiter& limiter, Known& known) {
  if (!interface.is_ethernet) {
    return fail(ErrorCode::kUnsupported, "it is no Ethernet interface");
  }
  const std::uint64_t cookie = netns.netns->cookie();
  const auto number = limiter.give_front(cookie, interface.index);
  if (!number) return tl::unexpected(number.error());
  known.number = *number;
  // What native XDP sends back by a veth gets lost unless its peer has an XDP program, too; generic
  // mode has no such condition.
  const bool prefers_generic = interface.kind == "veth";
  const auto hook = kernel::attach_front(
      {interface.index, wish.mode, prefers_generic, wish.priority},
      [&limiter, cookie, &number] { return limiter.open_front(cookie, *number); });
  if (!hook) return tl::unexpected(hook.error());
  known.hook = *hook;
  known.wish = wish;
  spdlog::info("{}: the front line is on {}, {} mode, {}", netns.name, known.name, mode_name(*hook),
               place_name(*hook));
  return {};
}

// If it is there: the interface may have gone.
void FrontFollower::take_off(const Namespace& netns, std::uint32_t index, const std::string& name) {
  (void)netns.netns->run_inside([&]() -> Result<void> {
    const auto was_there = kernel::detach_front(index);
    if (was_there && *was_there) spdlog::info("{}: no front line on {} any more", netns.name, name);
    return {};
  });
}

void FrontFollower::let_go(const Namespace& netns, std::uint32_t index, const Known& known,
                           kernel::Limiter& limiter) {
  take_off(netns, index, known.name);
  if (known.number) (void)limiter.forget_front(*known.number);
}

void FrontFollower::note_vanished(const Namespace& netns, std::uint32_t index, const Known& known,
                                  kernel::Limiter& limiter) {
  if (known.number) (void)limiter.forget_front(*known.number);
  if (!known.hook) return;
  kernel::forget_vanished(index, *known.hook);
  spdlog::info("{}: interface {} has gone", netns.name, known.name);
}

void FrontFollower::publish() {
  std::vector<observe::FrontSnapshot> now;
  for (const auto& [cookie, netns] : namespaces_) {
    for (const auto& [index, known] : netns.known) {
      observe::FrontSnapshot one;
      one.netns = netns.name;
      one.interface = known.name;
      one.number = known.number;
      one.mode = known.hook ? mode_name(*known.hook) : "none";
      one.is_alone = known.hook && known.hook->is_alone;
      one.others = known.hook ? known.hook->others : 0;
      one.error = known.error;
      now.push_back(std::move(one));
    }
  }
  for (const std::string& name : find_absent()) {
    observe::FrontSnapshot one;
    one.netns = namespaces_.size() == 1 ? namespaces_.begin()->second.name : "";
    one.interface = name;
    one.mode = "none";
    one.error = kAbsent;
    now.push_back(std::move(one));
  }
  std::sort(now.begin(), now.end(), [](const auto& a, const auto& b) {
    return std::tie(a.netns, a.interface) < std::tie(b.netns, b.interface);
  });
  const std::lock_guard lock(lock_);
  published_ = std::move(now);
}

std::vector<observe::FrontSnapshot> FrontFollower::look() const {
  const std::lock_guard lock(lock_);
  return published_;
}

std::vector<std::string> FrontFollower::missing() const {
  std::vector<std::string> sentences;
  for (const observe::FrontSnapshot& one : look()) {
    if (one.error.empty()) continue;
    const std::string netns = one.netns.empty() ? "" : " (" + one.netns + ")";
    sentences.push_back("no front line on " + one.interface + netns + ": " + one.error);
  }
  return sentences;
}

}  // namespace headgate::manage
