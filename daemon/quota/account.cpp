// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/account.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "quota/segment.h"

namespace headgate::quota {
namespace {

constexpr std::size_t kMaxNameBytes = 200;  // memfd_create takes 249

Result<std::uint64_t> random_seed() {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
    return fail_errno("cannot get a random number", errno);
  }
  return seed;
}

}  // namespace

Account::Account(UniqueFd fd, void* memory, std::size_t bytes, std::size_t sets,
                 std::uint32_t max_keys, std::uint64_t seed)
    : fd_(std::move(fd)),
      memory_(memory),
      bytes_(bytes),
      sets_(sets),
      table_(memory, sets, max_keys, seed),
      leases_(reinterpret_cast<shared::Lease*>(table_.slot_array() + table_.slots())),
      semaphore_(table_.slot_array(), table_.slots(), leases_, Semaphore::kMostLeases) {}

Account::~Account() {
  munmap(memory_, bytes_);
}

Result<std::shared_ptr<Account>> Account::create(const std::string& name, std::uint32_t max_keys) {
  const std::size_t sets = TableView::sets_for(max_keys);
  const std::size_t bytes = shared::bytes_for(sets, Semaphore::kMostLeases);
  const auto no_memory = [&](int error) {
    Error cause = fail_errno("cannot reserve memory", error).value();
    cause.code = ErrorCode::kUnavailable;
    return fail(
        "no room for the " + std::to_string(max_keys) + " keys of quota domain '" + name + "'",
        std::move(cause));
  };
  const auto seed = random_seed();
  if (!seed) return tl::unexpected(seed.error());
  const std::string label = "headgate-quota:" + name.substr(0, kMaxNameBytes);
  UniqueFd fd(memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return no_memory(errno);
  // Who has it mapped could make us read where there is nothing, otherwise.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return no_memory(errno);
  }
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (memory == MAP_FAILED) return no_memory(errno);
  auto* const header = static_cast<shared::Header*>(memory);
  header->sets.store(sets, std::memory_order_relaxed);
  header->max_keys.store(max_keys, std::memory_order_relaxed);
  header->seed.store(*seed, std::memory_order_relaxed);
  header->magic.store(shared::kMagic, std::memory_order_release);
  return std::shared_ptr<Account>(new Account(std::move(fd), memory, bytes, sets, max_keys, *seed));
}

std::optional<std::size_t> Account::borrow_lease() {
  const std::lock_guard lock(mutex_);
  if (free_leases_.empty()) {
    const auto block = find_blocks(1);
    if (!block) return std::nullopt;
    lent_.set(*block);
    leases_used_ = std::max(leases_used_, (*block + 1) * kBlock);
    for (std::size_t i = kBlock; i != 0; --i) free_leases_.push_back(*block * kBlock + i - 1);
  }
  const std::size_t lease = free_leases_.back();
  free_leases_.pop_back();
  return lease;
}

void Account::return_lease(std::size_t lease) {
  const std::lock_guard lock(mutex_);
  free_leases_.push_back(lease);
}

// The first of so many blocks that are free.
std::optional<std::size_t> Account::find_blocks(std::size_t count) const {
  std::size_t free = 0;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    free = lent_.test(block) ? 0 : free + 1;
    if (free == count) return block + 1 - count;
  }
  return std::nullopt;
}

std::optional<Account::Leases> Account::borrow_leases(std::size_t count) {
  const std::size_t blocks = std::max<std::size_t>(1, (count + kBlock - 1) / kBlock);
  const std::lock_guard lock(mutex_);
  const auto first = find_blocks(blocks);
  if (!first) return std::nullopt;
  for (std::size_t i = 0; i < blocks; ++i) lent_.set(*first + i);
  leases_used_ = std::max(leases_used_, (*first + blocks) * kBlock);
  return Leases{*first * kBlock, blocks * kBlock};
}

void Account::return_leases(const Leases& leases) {
  for (std::size_t i = 0; i < leases.count; ++i) semaphore_.clear(leases.first + i);
  is_count_doubtful_ = true;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < leases.count; i += kBlock) lent_.reset((leases.first + i) / kBlock);
  while (leases_used_ != 0 && !lent_.test(leases_used_ / kBlock - 1)) leases_used_ -= kBlock;
}

void Account::mend_count() {
  if (is_count_doubtful_.exchange(false)) table_.recount();
}

std::size_t Account::leases_used() const {
  const std::lock_guard lock(mutex_);
  return leases_used_;
}

std::size_t Account::end_expired(std::uint64_t now_ns) {
  const std::size_t used = leases_used();
  std::size_t ended = 0;
  for (std::size_t lease = 0; lease < used; ++lease) {
    if (semaphore_.give_expired(lease, now_ns)) ++ended;
  }
  return ended;
}

std::unordered_map<std::uint32_t, std::uint64_t> Account::in_flight() const {
  const std::size_t used = leases_used();
  std::unordered_map<std::uint32_t, std::uint64_t> counts;
  for (std::size_t lease = 0; lease < used; ++lease) {
    const auto slot = semaphore_.slot_held_by(lease);
    if (slot) ++counts[table_.slot_array()[*slot].rule.load(std::memory_order_relaxed)];
  }
  return counts;
}

}  // namespace headgate::quota
