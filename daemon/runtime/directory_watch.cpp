// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/directory_watch.h"

#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <utility>

namespace headgate::runtime {
namespace {

constexpr long kCalmNs = 100'000'000;

}  // namespace

Result<DirectoryWatch> DirectoryWatch::open(const std::string& path) {
  DirectoryWatch watch;
  watch.inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watch.timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!watch.inotify_ || !watch.timer_) return fail_errno("cannot watch files", errno);
  const std::string directory = std::filesystem::absolute(path).parent_path();
  constexpr std::uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
  if (inotify_add_watch(watch.inotify_.get(), directory.c_str(), kChanges) < 0) {
    return fail_errno("cannot watch " + directory, errno);
  }
  return watch;
}

void DirectoryWatch::wait_for_calm() {
  alignas(inotify_event) std::array<char, 16 * 1024> events{};
  while (::read(inotify_.get(), events.data(), events.size()) > 0) {
  }
  const itimerspec calm{{0, 0}, {0, kCalmNs}};
  timerfd_settime(timer_.get(), 0, &calm, nullptr);
}

void DirectoryWatch::add_to(EventLoop& loop, std::function<void()> on_change) {
  loop.watch(inotify_.get(), [this] { wait_for_calm(); });
  loop.watch(timer_.get(), [this, on_change = std::move(on_change)] {
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof(expirations)) > 0) on_change();
  });
}

}  // namespace headgate::runtime
