// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "common/result.h"

namespace headgate::kernel {

// A BPF array with BPF_F_MMAPABLE in this process's memory: what is stored is what the programs
// see.
template <typename Value>
class MappedArray {
 public:
  MappedArray() = default;
  MappedArray(MappedArray&& other) noexcept
      : values_(std::exchange(other.values_, nullptr)), bytes_(other.bytes_) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(values_, other.values_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedArray() {
    if (values_ != nullptr) munmap(values_, bytes_);
  }

  Result<void> open(const bpf_map* map);

  static_assert(sizeof(Value) % 8 == 0, "the kernel pads the values to 8 bytes");

  Value* at(std::size_t index) { return values_ + index; }
  const Value* at(std::size_t index) const { return values_ + index; }

 private:
  Value* values_ = nullptr;
  std::size_t bytes_ = 0;
};

template <typename Value>
Result<void> MappedArray<Value>::open(const bpf_map* map) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t used = sizeof(Value) * bpf_map__max_entries(map);
  MappedArray array;
  array.bytes_ = (used + page - 1) / page * page;
  void* memory =
      mmap(nullptr, array.bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (memory == MAP_FAILED) {
    return fail_errno(std::string("cannot map ") + bpf_map__name(map), errno);
  }
  array.values_ = static_cast<Value*>(memory);
  *this = std::move(array);
  return {};
}

}  // namespace headgate::kernel
