// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_program.h"

#include <cerrno>
#include <ctime>

#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/programs.h"
#include "skeletons/front.skel.h"

namespace headgate::kernel {
namespace {

// Those that the kernel counts in a second: its coarse clocks advance once in each.
std::uint32_t jiffies_per_second() {
  timespec length{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &length) != 0 || length.tv_nsec == 0) return 100;
  return static_cast<std::uint32_t>((1'000'000'000 + length.tv_nsec / 2) / length.tv_nsec);
}

}  // namespace

void FrontDestroyer::operator()(front_bpf* skeleton) const {
  front_bpf__destroy(skeleton);
}

Result<FrontProgram> open_front(const FrontPlace& place, const limiter_bpf& owner) {
  capture_libbpf_log();
  FrontProgram program(front_bpf__open());
  if (!program) return fail_libbpf("cannot read the front line's program", errno);
  program->rodata->interface_number = place.interface;
  program->rodata->netns_cookie = place.netns_cookie;
  program->rodata->netns.number = place.netns.number;
  program->rodata->netns.place = place.netns.place;
  program->rodata->possible_cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
  program->rodata->jiffies_per_second = jiffies_per_second();
  if (auto shared = share_maps(program->obj, owner); !shared) return tl::unexpected(shared.error());
  return program;
}

Result<void> load_front(front_bpf& program) {
  const int error = front_bpf__load(&program);
  if (error == 0) return {};
  return fail_libbpf("cannot load the front line into the kernel", -error);
}

}  // namespace headgate::kernel
