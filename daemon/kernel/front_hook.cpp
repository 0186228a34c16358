// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/front_hook.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <system_error>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include <xdp/libxdp.h>

#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/programs.h"
#include "skeletons/front.skel.h"

namespace headgate::kernel {
namespace {

constexpr std::size_t kMapsAtMost = 64;  // that the kernel lets a program use

std::mutex libxdp;  // it is not made for threads

struct MultiprogCloser {
  void operator()(xdp_multiprog* programs) const { xdp_multiprog__close(programs); }
};
struct ProgramCloser {
  void operator()(xdp_program* program) const { xdp_program__close(program); }
};
using XdpProgram = std::unique_ptr<xdp_program, ProgramCloser>;

// What is attached to an interface.
struct Place {
  std::unique_ptr<xdp_multiprog, MultiprogCloser> programs;  // null: nothing
  bool has_dispatcher = false;
  xdp_program* ours = nullptr;  // one of them
  std::uint32_t others = 0;
  bool is_native = false;

  bool is_empty() const { return !programs; }
};

bool is_ours(const xdp_program* program) {
  const char* const name = program == nullptr ? nullptr : xdp_program__name(program);
  return name != nullptr && std::strcmp(name, kFrontProgram) == 0;
}

Result<Place> look_at(std::uint32_t index) {
  Place place;
  xdp_multiprog* const found = xdp_multiprog__get_from_ifindex(static_cast<int>(index));
  if (const long error = libxdp_get_error(found); error != 0) {
    if (error == -ENOENT) return place;
    return fail_libbpf("cannot see which XDP programs are attached", static_cast<int>(-error));
  }
  place.programs.reset(found);
  place.has_dispatcher = !xdp_multiprog__is_legacy(found);
  place.is_native = xdp_multiprog__attach_mode(found) == XDP_MODE_NATIVE;
  if (!place.has_dispatcher) {
    xdp_program* const only = xdp_multiprog__main_prog(found);
    if (is_ours(only)) {
      place.ours = only;
    } else {
      place.others = 1;
    }
    return place;
  }
  for (xdp_program* one = xdp_multiprog__next_prog(nullptr, found); one != nullptr;
       one = xdp_multiprog__next_prog(one, found)) {
    if (is_ours(one)) {
      place.ours = one;
    } else {
      ++place.others;
    }
  }
  return place;
}

std::optional<FrontHook> describe(const Place& place) {
  if (place.ours == nullptr) return std::nullopt;
  const xdp_program* const main = xdp_multiprog__main_prog(place.programs.get());
  return FrontHook{place.is_native, !place.has_dispatcher, place.others,
                   place.has_dispatcher ? xdp_program__id(main) : 0};
}

bool uses_map(const xdp_program* program, std::uint32_t map) {
  std::array<std::uint32_t, kMapsAtMost> maps{};
  bpf_prog_info info{};
  std::uint32_t size = sizeof(info);
  info.nr_map_ids = maps.size();
  info.map_ids = reinterpret_cast<std::uintptr_t>(maps.data());
  if (bpf_obj_get_info_by_fd(xdp_program__fd(program), &info, &size) != 0) return false;
  return std::count(maps.begin(), maps.end(), map) > 0;
}

xdp_attach_mode mode_of(bool is_native) {
  return is_native ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

const char* name_of(bool is_native) {
  return is_native ? "native" : "generic";
}

Result<void> detach_from(const Place& place, std::uint32_t index) {
  const int error =
      xdp_program__detach(place.ours, static_cast<int>(index), mode_of(place.is_native), 0);
  if (error != 0) return fail_libbpf("cannot detach the front line", -error);
  return {};
}

// Where there is no dispatcher: in the place of an earlier daemon's, at one instant.
Result<void> replace_alone(const Place& place, std::uint32_t index, front_bpf& program) {
  if (auto loaded = load_front(program); !loaded) return loaded;
  bpf_xdp_attach_opts options{};
  options.sz = sizeof(options);
  options.old_prog_fd = xdp_program__fd(place.ours);
  const std::uint32_t flags =
      XDP_FLAGS_REPLACE | (place.is_native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
  const int error = bpf_xdp_attach(static_cast<int>(index),
                                   bpf_program__fd(program.progs.headgate_front), flags, &options);
  if (error != 0) return fail_libbpf("cannot replace the former front line", -error);
  return {};
}

Result<void> attach_by_libxdp(const FrontWish& wish, bool is_native, front_bpf& program) {
  xdp_program* const raw = xdp_program__from_bpf_obj(program.obj, kFrontSection);
  if (const long error = libxdp_get_error(raw); error != 0) {
    return fail_libbpf("libxdp does not take the front line", static_cast<int>(-error));
  }
  const XdpProgram taken(raw);
  // libxdp does not see this by the section's name.
  int error = xdp_program__set_xdp_frags_support(raw, true);
  if (error == 0) error = xdp_program__set_run_prio(raw, wish.priority);
  if (error != 0) return fail_libbpf("cannot set up the front line for libxdp", -error);
  error = xdp_program__attach(raw, static_cast<int>(wish.index), mode_of(is_native), 0);
  if (error != 0) {
    return fail_libbpf(std::string("cannot attach in ") + name_of(is_native) + " mode", -error);
  }
  return {};
}

tl::unexpected<Error> fail_taken(const Place& place) {
  const xdp_program* const only = xdp_multiprog__main_prog(place.programs.get());
  const char* const name = only == nullptr ? nullptr : xdp_program__name(only);
  return fail(ErrorCode::kUnavailable,
              std::string("another XDP program (") + (name == nullptr ? "?" : name) +
                  ") is attached there, not by libxdp, and leaves no place beside it");
}

// Without that right libxdp attaches, and cannot tell afterwards what it has done.
Result<void> check_right_to_look() {
  std::uint32_t first = 0;
  if (bpf_prog_get_next_id(0, &first) == 0 || errno != EPERM) return {};
  return fail(ErrorCode::kPermissionDenied,
              "to see which XDP programs are attached takes CAP_SYS_ADMIN, which the daemon keeps "
              "if 'xdp' names interfaces when it starts: restart it");
}

Result<FrontHook> attach_in(const FrontWish& wish, bool is_native,
                            const std::function<Result<FrontProgram>()>& open) {
  auto place = look_at(wish.index);
  if (!place) return tl::unexpected(place.error());
  const bool is_other_mode = !place->is_empty() && place->is_native != is_native;
  if (!place->is_empty() && !place->has_dispatcher && place->ours == nullptr) {
    return fail_taken(*place);
  }
  if (is_other_mode && place->others > 0) {
    return fail(ErrorCode::kUnavailable, std::string("other XDP programs are attached there in ") +
                                             name_of(place->is_native) + " mode");
  }
  auto program = open();
  if (!program) return tl::unexpected(program.error());
  if (is_other_mode) {
    if (auto gone = detach_from(*place, wish.index); !gone) return tl::unexpected(gone.error());
    *place = {};
  }
  Result<void> done;
  if (place->ours != nullptr && !place->has_dispatcher) {
    done = replace_alone(*place, wish.index, **program);
  } else {
    done = attach_by_libxdp(wish, is_native, **program);
    if (done && place->ours != nullptr) done = detach_from(*place, wish.index);
  }
  if (!done) return tl::unexpected(done.error());
  const auto now = look_at(wish.index);
  if (!now) return tl::unexpected(now.error());
  const auto hook = describe(*now);
  if (!hook) return fail(ErrorCode::kInternal, "the front line is not where it was attached");
  return *hook;
}

}  // namespace

Result<FrontHook> attach_front(const FrontWish& wish,
                               const std::function<Result<FrontProgram>()>& open) {
  const std::lock_guard lock(libxdp);
  capture_libbpf_log();
  if (auto right = check_right_to_look(); !right) return tl::unexpected(right.error());
  const auto attach = [&](bool is_native) { return attach_in(wish, is_native, open); };
  switch (wish.mode) {
    case config::XdpMode::kNative:
      return attach(true);
    case config::XdpMode::kGeneric:
      return attach(false);
    case config::XdpMode::kAuto:
      break;
  }
  // Beside others, theirs is the mode.
  const auto place = look_at(wish.index);
  if (!place) return tl::unexpected(place.error());
  if (place->others > 0) return attach(place->is_native);
  const bool is_first_native = !wish.prefers_generic;
  auto first = attach(is_first_native);
  if (first) return first;
  auto second = attach(!is_first_native);
  if (second) return second;
  return first;
}

void forget_vanished(std::uint32_t index, const FrontHook& hook) {
  if (hook.is_alone || hook.others > 0) return;
  const char* const mount = secure_getenv("LIBXDP_BPFFS");
  // As libxdp names it. Not libxdp_clean_references(): that would take away what other namespaces
  // have on interfaces with the same index.
  const std::filesystem::path pins =
      std::filesystem::path(mount == nullptr ? "/sys/fs/bpf" : mount) / "xdp" /
      ("dispatch-" + std::to_string(index) + "-" + std::to_string(hook.dispatcher));
  std::error_code gone_already;
  std::filesystem::remove_all(pins, gone_already);
}

Result<std::optional<FrontHook>> find_front(std::uint32_t index) {
  const std::lock_guard lock(libxdp);
  const auto place = look_at(index);
  if (!place) return tl::unexpected(place.error());
  return describe(*place);
}

Result<bool> detach_front(std::uint32_t index, std::optional<std::uint32_t> map) {
  const std::lock_guard lock(libxdp);
  // A daemon that was killed while it replaced one may have left two.
  for (bool was_there = false;; was_there = true) {
    const auto place = look_at(index);
    if (!place) return tl::unexpected(place.error());
    if (place->ours == nullptr || (map && !uses_map(place->ours, *map))) return was_there;
    if (auto done = detach_from(*place, index); !done) return tl::unexpected(done.error());
  }
}

}  // namespace headgate::kernel
