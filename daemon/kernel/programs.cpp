// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/programs.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "bpf/abi.h"
#include "daemon/kernel/libbpf_log.h"

namespace headgate::kernel {
namespace {

constexpr std::uint32_t kParkingThreshold = 256 * HG_PARKED_MAX;
constexpr std::uint32_t kSlotsThreshold = 4096;

// A small table is exact: one slot, the rest in the hash. A large one may be full a little early,
// when the hash is and a slot is free that does not fit.
std::uint32_t connection_slots(const config::TableSizes& sizes) {
  if (sizes.connections < kSlotsThreshold) return 1;
  return std::min<std::uint32_t>(std::bit_floor(sizes.connections / 2), HG_CONNECTION_SLOTS_MAX);
}

void size_tables(const config::TableSizes& sizes, limiter_bpf& programs) {
  const auto& maps = programs.maps;
  const std::uint32_t slots = connection_slots(sizes);
  bpf_map__set_max_entries(maps.connections, slots);
  bpf_map__set_max_entries(maps.more_connections, sizes.connections - slots);
  bpf_map__set_max_entries(maps.clients, sizes.clients);
  bpf_map__set_max_entries(maps.recent, sizes.recent);
  bpf_map__set_max_entries(maps.penalties, sizes.penalties);
  // One more: a full trie of an older kernel does not even replace an entry.
  bpf_map__set_max_entries(maps.denied, sizes.denied + 1);
  bpf_map__set_max_entries(maps.denied_hosts, sizes.denied + 1);
  bpf_map__set_max_entries(maps.deny_reasons, sizes.denied + 1);
  bpf_map__set_max_entries(maps.totals, sizes.namespaces * HG_MAX_RULES);
  bpf_map__set_max_entries(maps.listeners, sizes.namespaces * HG_LISTENERS);

  // Parked entries take room of clients: where there is little, none is parked.
  const std::uint32_t parked = sizes.clients < kParkingThreshold ? 0 : HG_PARKED_MAX;
  programs.rodata->connection_slot_mask = slots - 1;
  programs.rodata->parked_mask = parked > 0 ? parked - 1 : 0;
  programs.rodata->possible_cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
}

Result<Programs> open_sized(const config::TableSizes& sizes) {
  capture_libbpf_log();
  Programs programs(limiter_bpf__open());
  if (!programs) return fail_libbpf("cannot read the kernel programs", errno);
  size_tables(sizes, *programs);
  return programs;
}

}  // namespace

tl::unexpected<Error> fail_libbpf(const std::string& what, int error_number) {
  const std::string said = take_libbpf_warnings();
  tl::unexpected<Error> error = fail_errno(what, error_number);
  std::string message = error.value().message;
  if (error.value().code == ErrorCode::kPermissionDenied) {
    message += " (root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, is needed)";
  }
  if (!said.empty()) message += "\n" + said;
  return fail(error.value().code, message);
}

Result<Programs> open_programs(const config::TableSizes& sizes) {
  auto programs = open_sized(sizes);
  if (!programs) return programs;
  bpf_program__set_autoload((*programs)->progs.admit, false);
  bpf_program__set_autoload((*programs)->progs.note_listening, false);
  return programs;
}

Result<Programs> open_program(const char* name, const config::TableSizes& sizes,
                              const limiter_bpf& owner) {
  auto programs = open_sized(sizes);
  if (!programs) return programs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, (*programs)->obj) {
    bpf_program__set_autoload(program, std::strcmp(bpf_program__name(program), name) == 0);
  }
  if (auto shared = share_maps((*programs)->obj, owner); !shared) {
    return tl::unexpected(shared.error());
  }
  return programs;
}

Result<void> share_maps(bpf_object* object, const limiter_bpf& owner) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const bpf_map* shared = bpf_object__find_map_by_name(owner.obj, bpf_map__name(map));
    if (shared == nullptr || bpf_map__reuse_fd(map, bpf_map__fd(shared)) != 0) {
      return fail_libbpf(std::string("cannot share map ") + bpf_map__name(map), errno);
    }
  }
  return {};
}

const bpf_map* map_of_denial(const limiter_bpf& programs, const hg_prefix_key& key) {
  const std::uint32_t whole = HG_PREFIX_FIXED_BITS + (key.family == 4 ? 32 : 128);
  return key.prefix_bits == whole ? programs.maps.denied_hosts : programs.maps.denied;
}

Result<void> load_programs(limiter_bpf& programs) {
  const int error = limiter_bpf__load(&programs);
  if (error == 0) return {};
  return fail_libbpf("cannot load the limiter into the kernel", -error);
}

}  // namespace headgate::kernel
