// SPDX-License-Identifier: Apache-2.0
#include "daemon/former_pins.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace headgate {
namespace {

void log_failure(const std::string& what, const Result<void>& done) {
  if (!done) spdlog::warn("{}: {}", what, done.error().to_string());
}

}  // namespace

FormerPins FormerPins::find(const kernel::PinRecord& record, kernel::PinDirectory& pins) {
  FormerPins found;
  found.record_ = record;
  found.current_ = pins.path();
  const auto recorded = record.list();
  if (!recorded) {
    spdlog::warn("it is not known whether limits are in force elsewhere: {}",
                 recorded.error().to_string());
  }
  // Before anything is pinned there.
  log_failure("after a change of 'pin_dir' the limits in " + pins.path() + " would not be found",
              record.add(pins.path()));
  auto paths = recorded.value_or(std::vector<std::string>());
  std::reverse(paths.begin(), paths.end());  // the one used last has what is to be kept
  for (const std::string& path : paths) {
    if (path != pins.path()) found.look_at(path, pins);
  }
  return found;
}

void FormerPins::look_at(const std::string& path, kernel::PinDirectory& pins) {
  auto former = kernel::PinDirectory::open_existing(path);
  if (!former) {
    spdlog::warn("limits may be in force in {}, where 'pin_dir' was before: {}", path,
                 former.error().to_string());
    return;
  }
  if (!*former) {
    log_failure("cannot forget " + path, record_->strike(path));
    return;
  }
  const auto state = (*former)->current();
  if (!state || pins.current() || pins.inherited()) {
    left_.push_back(*std::move(*former));
    return;
  }
  if (auto moved = pins.take_from(**former); !moved) {
    spdlog::info("replaces what is in force in {}, which cannot be taken over: {}", path,
                 moved.error().to_string());
    pins.inherit(state);
    left_.push_back(*std::move(*former));
    return;
  }
  spdlog::info("moved what is in force from {} to {}", path, pins.path());
  remove(**former);
}

void FormerPins::remove(const kernel::PinDirectory& former) const {
  const auto removed = former.remove_all();
  if (!removed) {
    spdlog::warn(
        "limits may stay in force in {}, where 'pin_dir' was before ({}): headgatectl "
        "detach --pin-dir {} may help",
        former.path(), removed.error().to_string(), former.path());
    return;
  }
  if (*removed > 0) {
    spdlog::info("removed what was in force in {}, where 'pin_dir' was before", former.path());
  }
  log_failure("cannot forget " + former.path(), record_->strike(former.path()));
}

void FormerPins::remove() {
  for (const kernel::PinDirectory& former : std::exchange(left_, {})) remove(former);
}

void FormerPins::forget_current() const {
  log_failure("cannot forget " + current_, record_->strike(current_));
}

}  // namespace headgate
