// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "bpf/abi.h"
#include "common/result.h"

struct front_bpf;    // the skeleton: skeletons/front.skel.h
struct limiter_bpf;  // likewise

namespace headgate::kernel {

struct FrontDestroyer {
  void operator()(front_bpf* skeleton) const;
};
using FrontProgram = std::unique_ptr<front_bpf, FrontDestroyer>;

// One network interface of a limited namespace.
struct FrontPlace {
  std::uint32_t interface = 0;  // its number: below HG_MAX_INTERFACES
  std::uint64_t netns_cookie = 0;
  hg_namespace netns{};
};

// The front line's program for that interface, with the maps of `owner`. It is not loaded yet:
// libxdp attaches only what it loads itself (xdp_program__from_bpf_obj with `obj` and
// kFrontSection). After that the skeleton's own pointers are not the living ones; the maps are.
inline constexpr char kFrontSection[] = "xdp.frags";
inline constexpr char kFrontProgram[] = "headgate_front";  // its name, also in the kernel
Result<FrontProgram> open_front(const FrontPlace& place, const limiter_bpf& owner);

// For who attaches it without libxdp, or runs it by BPF_PROG_TEST_RUN.
Result<void> load_front(front_bpf& program);

}  // namespace headgate::kernel
