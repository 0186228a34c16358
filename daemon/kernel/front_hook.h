// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/kernel/front_program.h"

namespace headgate::kernel {

// Where the front line is attached, and beside what.
struct FrontHook {
  bool is_native = false;  // by the driver; else generic, by the kernel, after the driver
  // Not in the dispatcher of libxdp: no other XDP program has a place beside it.
  bool is_alone = false;
  std::uint32_t others = 0;      // XDP programs in the same dispatcher
  std::uint32_t dispatcher = 0;  // its id, unless is_alone
};

struct FrontWish {
  std::uint32_t index = 0;  // of the interface
  config::XdpMode mode = config::XdpMode::kAuto;
  bool prefers_generic = false;  // with kAuto: first generic, then native
  std::uint32_t priority = 50;
};

// All of these look at the interfaces of the calling thread's network namespace, and need
// CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, and CAP_SYS_ADMIN to look at programs that are there.
// Thread-safe.

// Attaches the program that `open` opens (once for each try): in the dispatcher of libxdp, beside
// other programs, or alone where the kernel has no such thing and nothing else is attached. One of
// an earlier daemon goes when the new one is there. Errors: kUnavailable (another program is
// attached without a dispatcher, or in another mode than the one that is asked for),
// kPermissionDenied, kInternal.
Result<FrontHook> attach_front(const FrontWish& wish,
                               const std::function<Result<FrontProgram>()>& open);

// None: it is not attached there.
Result<std::optional<FrontHook>> find_front(std::uint32_t index);

// Detaches it, and nothing else; with `map` only one that uses the map with that id. Returns
// whether it was there.
Result<bool> detach_front(std::uint32_t index, std::optional<std::uint32_t> map = std::nullopt);

// Of an interface that is not there any more: libxdp leaves the pins of its dispatcher, which keep
// the program and all that it uses; also of one that has moved to another namespace, where the
// program ends with them. With other programs in it the pins stay.
void forget_vanished(std::uint32_t index, const FrontHook& hook);

}  // namespace headgate::kernel
