// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/pinned_maps.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "common/unique_fd.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

constexpr char kLayout[] = HEADGATE_LAYOUT;  // set by the build: see bpf/CMakeLists.txt
static_assert(sizeof(kLayout) - 1 == sizeof(hg_state::layout));

std::string pin_of(const std::string& state, const std::string& map) {
  return state + "/map_" + map;
}

Result<UniqueFd> open_pinned(const std::string& state, const std::string& map) {
  UniqueFd fd(bpf_obj_get(pin_of(state, map).c_str()));
  if (!fd) return fail_errno("cannot open " + pin_of(state, map), errno);
  return fd;
}

Result<bpf_map_info> examine(int map, const std::string& name) {
  bpf_map_info info{};
  std::uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(map, &info, &size) != 0) {
    return fail_errno("cannot examine map " + name, errno);
  }
  return info;
}

bool has_values(const bpf_map_info& info, std::size_t key, std::size_t value) {
  return info.key_size == key && info.value_size == value;
}

Result<void> check_owner(const std::string& state, const LimiterSettings& settings) {
  const auto map = open_pinned(state, "state");
  if (!map) return tl::unexpected(map.error());
  const auto info = examine(map->get(), "state");
  if (!info) return tl::unexpected(info.error());
  const std::string other_build = "they are of another version of headgate";
  if (!has_values(*info, sizeof(__u32), sizeof(hg_state))) {
    return fail(ErrorCode::kUnsupported, other_build);
  }
  hg_state owner{};
  const std::uint32_t zero = 0;
  if (bpf_map_lookup_elem(map->get(), &zero, &owner) != 0) {
    return fail_errno("cannot read map state", errno);
  }
  hg_state wanted{};
  write_owner(settings, wanted);
  if (std::memcmp(owner.layout, wanted.layout, sizeof(owner.layout)) != 0) {
    return fail(ErrorCode::kUnsupported, other_build);
  }
  if (owner.cgroup != wanted.cgroup) {
    return fail(ErrorCode::kUnsupported, "'cgroup' was another one");
  }
  if (owner.shares_counts != wanted.shares_counts) {
    return fail(ErrorCode::kUnsupported, "'share_across_netns' was otherwise");
  }
  return {};
}

Result<void> reuse_map(const std::string& state, bpf_map* map) {
  const std::string name = bpf_map__name(map);
  const auto fd = open_pinned(state, name);
  if (!fd) return tl::unexpected(fd.error());
  const auto info = examine(fd->get(), name);
  if (!info) return tl::unexpected(info.error());
  if (info->type != bpf_map__type(map) ||
      !has_values(*info, bpf_map__key_size(map), bpf_map__value_size(map)) ||
      info->map_flags != bpf_map__map_flags(map)) {
    return fail(ErrorCode::kUnsupported, "map " + name + " is of another version of headgate");
  }
  if (info->max_entries != bpf_map__max_entries(map)) {
    return fail(ErrorCode::kUnsupported, "'tables' has other sizes: map " + name + " has " +
                                             std::to_string(info->max_entries) + " entries, not " +
                                             std::to_string(bpf_map__max_entries(map)));
  }
  if (bpf_map__reuse_fd(map, fd->get()) != 0) {
    return fail_errno("cannot use map " + name + " again", errno);
  }
  return {};
}

// `to`: the map that an entry belongs into by its key.
template <typename Value>
Result<void> copy_entries(const std::string& state, const std::string& name,
                          const std::function<const bpf_map*(const hg_prefix_key&)>& to) {
  const auto from = open_pinned(state, name);
  if (!from) return {};  // of a version that had none
  const auto info = examine(from->get(), name);
  if (!info) return tl::unexpected(info.error());
  if (!has_values(*info, sizeof(hg_prefix_key), sizeof(Value))) return {};
  return visit_keys<hg_prefix_key>(from->get(), name, [&](const auto& key) -> Result<void> {
    Value value{};
    if (bpf_map_lookup_elem(from->get(), &key, &value) != 0) return {};  // it has just ended
    if (auto written = write_entry(to(key), key, value); !written) {
      return fail("cannot keep what operators have denied; larger tables.denied may help",
                  written.error());
    }
    return {};
  });
}

}  // namespace

void write_owner(const LimiterSettings& settings, hg_state& state) {
  std::memcpy(state.layout, kLayout, sizeof(state.layout));
  state.cgroup = settings.cgroup->id;
  state.shares_counts = settings.shares_counts ? 1 : 0;
}

Result<void> reuse_maps(const std::string& state, limiter_bpf& programs,
                        const LimiterSettings& settings) {
  if (auto ours = check_owner(state, settings); !ours) return ours;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, programs.obj) {
    if (bpf_map__is_internal(map)) continue;
    if (auto reused = reuse_map(state, map); !reused) return reused;
  }
  return {};
}

Result<void> pin_maps(const std::string& state, const limiter_bpf& programs) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, programs.obj) {
    if (bpf_map__is_internal(map)) continue;
    const std::string pin = pin_of(state, bpf_map__name(map));
    if (bpf_obj_pin(bpf_map__fd(map), pin.c_str()) != 0) {
      return fail_errno("cannot pin " + pin, errno);
    }
  }
  return {};
}

Result<void> keep_denials(const std::string& state, const limiter_bpf& programs) {
  const auto denied = [&programs](const hg_prefix_key& key) {
    return map_of_denial(programs, key);
  };
  for (const char* name : {"denied", "denied_hosts"}) {
    if (auto kept = copy_entries<hg_denied>(state, name, denied); !kept) return kept;
  }
  return copy_entries<hg_deny_reason>(state, "deny_reasons", [&programs](const hg_prefix_key&) {
    return programs.maps.deny_reasons;
  });
}

}  // namespace headgate::kernel
