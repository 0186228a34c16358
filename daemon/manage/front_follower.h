// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/front_hook.h"
#include "daemon/kernel/interfaces.h"
#include "daemon/kernel/limiter.h"
#include "daemon/manage/growing_pause.h"
#include "daemon/observe/snapshot.h"

namespace headgate::manage {

// Which network interfaces the front line is on, as they come and go. What keeps it from one of
// them keeps it from no other: the limits hold without it. Not thread-safe but for look().
class FrontFollower {
 public:
  // What follow() shall bring about from now on.
  void want(const config::Xdp& wanted);

  // Attaches the front line where it is missing, lets go of what is wanted no more, and tells the
  // programs whose frames are ours. Cheap when nothing has changed.
  void follow(kernel::Limiter& limiter);

  // How it stands, without counts; sorted by namespace and name.
  std::vector<observe::FrontSnapshot> look() const;
  // What is not as the configuration says: a sentence each.
  std::vector<std::string> missing() const;

 private:
  struct Wish {
    config::XdpMode mode = config::XdpMode::kAuto;
    std::uint32_t priority = 0;

    friend bool operator==(const Wish&, const Wish&) = default;
  };
  struct Known {
    std::string name;
    std::optional<std::uint32_t> number;
    Wish wish;                              // that `hook` was made for
    std::optional<kernel::FrontHook> hook;  // none: it is not attached
    std::vector<kernel::FrontLink> links;
    std::string error;   // why it is not attached
    GrowingPause pause;  // until that is tried again
  };
  struct Namespace {
    std::string name;
    std::shared_ptr<const kernel::NetworkNamespace> netns;
    std::optional<kernel::InterfaceList> interfaces;
    std::map<std::uint32_t, Known> known;  // by index
    std::vector<IpAddress> addresses;
    bool is_first_look = true;
    std::string error;  // why its interfaces are not known
    GrowingPause pause;
  };

  std::optional<Wish> wish_for(const kernel::Interface& interface) const;
  void note_namespaces(kernel::Limiter& limiter);
  void follow_in(Namespace& netns, kernel::Limiter& limiter);
  bool is_due(Namespace& netns) const;
  static void follow_addresses(Namespace& netns, kernel::Limiter& limiter);
  void compare(Namespace& netns, const std::vector<kernel::Interface>& all,
               kernel::Limiter& limiter);
  void drop_former(const Namespace& netns, kernel::Limiter& limiter) const;
  void keep_up(const Namespace& netns, const kernel::Interface& interface, const Wish& wish,
               const std::vector<kernel::Interface>& all, kernel::Limiter& limiter, Known& known);
  Result<void> attach(const Namespace& netns, const kernel::Interface& interface, const Wish& wish,
                      kernel::Limiter& limiter, Known& known);
  static void take_off(const Namespace& netns, std::uint32_t index, const std::string& name);
  static void let_go(const Namespace& netns, std::uint32_t index, const Known& known,
                     kernel::Limiter& limiter);
  std::vector<std::string> find_absent() const;
  static void note_vanished(const Namespace& netns, std::uint32_t index, const Known& known,
                            kernel::Limiter& limiter);
  void publish();

  config::Xdp wanted_;
  bool has_changed_ = true;                        // `wanted_`
  std::map<std::uint64_t, Namespace> namespaces_;  // by cookie

  mutable std::mutex lock_;  // held for an instant; guards what follows
  std::vector<observe::FrontSnapshot> published_;
};

}  // namespace headgate::manage
