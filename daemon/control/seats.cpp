// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/seats.h"

#include <algorithm>

namespace headgate::control {
namespace {

std::chrono::steady_clock::rep now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace

void Occupant::waits_for_caller() {
  waits_since_ = now();
}

void Occupant::has_been_read() {
  waits_since_ = kNever;
}

bool Seats::take(Occupant& occupant) {
  const std::lock_guard lock(mutex_);
  if (taken_.size() >= count_ && !make_room()) return false;
  taken_.push_back(&occupant);
  return true;
}

void Seats::leave(Occupant& occupant) {
  const std::lock_guard lock(mutex_);
  std::erase(taken_, &occupant);
}

bool Seats::make_room() {
  const auto slowest = std::min_element(
      taken_.begin(), taken_.end(),
      [](const Occupant* a, const Occupant* b) { return a->waits_since_ < b->waits_since_; });
  const auto patience = std::chrono::steady_clock::duration(kPatience).count();
  if (slowest == taken_.end() || (*slowest)->waits_since_ > now() - patience) return false;
  Occupant* occupant = *slowest;
  taken_.erase(slowest);
  occupant->give_up();
  return true;
}

}  // namespace headgate::control
