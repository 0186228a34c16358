// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer: the kernel programs, as libbpf loads them.
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "bpf/abi.h"
#include "common/result.h"
#include "daemon/config/config.h"
#include "skeletons/limiter.skel.h"

namespace headgate::kernel {

struct SkeletonDestroyer {
  void operator()(limiter_bpf* skeleton) const { limiter_bpf__destroy(skeleton); }
};
using Programs = std::unique_ptr<limiter_bpf, SkeletonDestroyer>;

struct LinkDestroyer {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

// The libbpf call that just failed, with what libbpf and the verifier said about it.
tl::unexpected<Error> fail_libbpf(const std::string& what, int error_number);

// The programs, not loaded yet: their maps have the sizes that the configuration says, and the
// constants that depend on them are set. `admit` and `note_listening` are left out: they are loaded
// for each namespace and group.
Result<Programs> open_programs(const config::TableSizes& sizes);

// One of them alone, which will use the maps of `owner`, which are there already.
Result<Programs> open_program(const char* name, const config::TableSizes& sizes,
                              const limiter_bpf& owner);

// Lets an object that is not loaded yet use the maps of `owner` in the place of its own.
Result<void> share_maps(bpf_object* object, const limiter_bpf& owner);

// The map that what operators deny is in: single addresses have one of their own.
const bpf_map* map_of_denial(const limiter_bpf& programs, const hg_prefix_key& key);

Result<void> load_programs(limiter_bpf& programs);

}  // namespace headgate::kernel
