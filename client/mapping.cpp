// SPDX-License-Identifier: Apache-2.0
#include "client/mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>

namespace headgate::client {

using quota::Semaphore;
namespace shared = quota::shared;

Mapping::Mapping(void* memory, std::size_t bytes, const quota::attach::Welcome& welcome)
    : memory_(memory),
      bytes_(bytes),
      table_(memory, welcome.sets, welcome.max_keys, welcome.seed),
      semaphore_(table_.slot_array(), table_.slots(),
                 reinterpret_cast<shared::Lease*>(table_.slot_array() + table_.slots()),
                 welcome.leases),
      first_lease_(welcome.first_lease),
      next_(welcome.lease_count),
      head_(next_.empty() ? kNone : 0) {
  for (std::size_t i = 0; i < next_.size(); ++i) {
    next_[i].store(i + 1 < next_.size() ? static_cast<std::uint32_t>(i + 1) : kNone,
                   std::memory_order_relaxed);
  }
}

Mapping::~Mapping() {
  munmap(memory_, bytes_);
}

std::unique_ptr<Mapping> Mapping::map(int fd, const quota::attach::Welcome& welcome) {
  const bool is_sane = std::has_single_bit(welcome.sets) && welcome.sets < (1ULL << 32) &&
                       welcome.leases <= Semaphore::kMostLeases &&
                       welcome.first_lease <= welcome.leases &&
                       welcome.lease_count <= welcome.leases - welcome.first_lease;
  if (!is_sane) return nullptr;
  const std::size_t bytes = shared::bytes_for(welcome.sets, welcome.leases);
  struct stat file {};
  if (fstat(fd, &file) != 0 || static_cast<std::size_t>(file.st_size) < bytes) return nullptr;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (memory == MAP_FAILED) return nullptr;
  return std::unique_ptr<Mapping>(new Mapping(memory, bytes, welcome));
}

std::optional<std::size_t> Mapping::borrow_lease() {
  if (is_inherited()) return std::nullopt;
  std::uint64_t head = head_.load(std::memory_order_acquire);
  while (true) {
    const auto first = static_cast<std::uint32_t>(head);
    if (first == kNone) return std::nullopt;
    const std::uint64_t next =
        ((head >> 32) + 1) << 32 | next_[first].load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, next, std::memory_order_acq_rel)) {
      return first_lease_ + first;
    }
  }
}

void Mapping::return_lease(std::size_t lease, Semaphore::Life life) {
  if (is_inherited()) return;
  semaphore_.give(lease, life);
  const auto number = static_cast<std::uint32_t>(lease - first_lease_);
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next_[number].store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
    next = ((head >> 32) + 1) << 32 | number;
  } while (!head_.compare_exchange_weak(head, next, std::memory_order_acq_rel));
}

bool Mapping::is_idle() const {
  std::size_t free = 0;
  auto at = static_cast<std::uint32_t>(head_.load(std::memory_order_acquire));
  for (; at != kNone && free < next_.size(); ++free) {
    at = next_[at].load(std::memory_order_relaxed);
  }
  return free == next_.size();
}

}  // namespace headgate::client
