// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "quota/key.h"
#include "quota/semaphore.h"
#include "quota/table.h"

namespace headgate::quota {

// Memory as an account has it, shared with children.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  }
  ~SharedMemory() { munmap(data_, bytes_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::size_t bytes_;
  void* data_ = nullptr;
};

struct TableInMemory {
  explicit TableInMemory(std::uint32_t max_keys, std::size_t sets_wanted = 0)
      : sets(sets_wanted != 0 ? sets_wanted : TableView::sets_for(max_keys)),
        memory(shared::bytes_for(sets, 0)),
        table(memory.data(), sets, max_keys, 42) {}

  std::size_t sets;
  SharedMemory memory;
  TableView table;
};

inline Fingerprint key(std::uint64_t number) {
  KeyHash hash(42, 1);
  hash.add(std::to_string(number));
  return hash.finish();
}

}  // namespace headgate::quota
