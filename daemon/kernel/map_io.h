// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.h"

namespace headgate::kernel {

// Writes one entry.
template <typename Key, typename Value>
Result<void> write_entry(const bpf_map* map, const Key& key, const Value& value) {
  if (bpf_map__update_elem(map, &key, sizeof(key), &value, sizeof(value), BPF_ANY) != 0) {
    return fail_errno(std::string("cannot write to map ") + bpf_map__name(map), errno);
  }
  return {};
}

// Writes many entries in one system call. Not atomic: on error some may be written.
template <typename Key, typename Value>
Result<void> update_batch(int map, const std::string& name, const std::vector<Key>& keys,
                          const std::vector<Value>& values) {
  auto count = static_cast<std::uint32_t>(keys.size());
  if (count == 0) return {};
  bpf_map_batch_opts options{};
  options.sz = sizeof(options);
  options.elem_flags = BPF_ANY;
  if (bpf_map_update_batch(map, keys.data(), values.data(), &count, &options) != 0) {
    return fail_errno("cannot write to map " + name, errno);
  }
  return {};
}

// Removes one entry; it may be gone already.
template <typename Key>
Result<void> remove_entry(const bpf_map* map, const Key& key) {
  if (bpf_map__delete_elem(map, &key, sizeof(key), 0) != 0 && errno != ENOENT) {
    return fail_errno(std::string("cannot remove from map ") + bpf_map__name(map), errno);
  }
  return {};
}

// Reads one entry of a map that has it: an array.
template <typename Value>
Result<Value> read_entry(const bpf_map* map, std::uint32_t index) {
  Value value{};
  if (bpf_map__lookup_elem(map, &index, sizeof(index), &value, sizeof(value), 0) != 0) {
    return fail_errno(std::string("cannot read map ") + bpf_map__name(map), errno);
  }
  return value;
}

// Reads one entry of a per-CPU array: one value a possible CPU.
template <typename Value>
Result<std::vector<Value>> read_cpu_entries(const bpf_map* map, std::uint32_t index) {
  static_assert(sizeof(Value) % 8 == 0, "the kernel pads per-CPU values to 8 bytes");
  std::vector<Value> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (bpf_map__lookup_elem(map, &index, sizeof(index), values.data(), values.size() * sizeof(Value),
                           0) != 0) {
    return fail_errno(std::string("cannot read map ") + bpf_map__name(map), errno);
  }
  return values;
}

// Visits the keys of a map that may have no batches (LPM tries: Linux 6.1 has none), until `visit`
// fails. `name` is for errors.
template <typename Key, typename Visit>
Result<void> visit_keys(int map, const std::string& name, Visit visit) {
  Key key{};
  for (const Key* previous = nullptr;; previous = &key) {
    Key next{};
    if (bpf_map_get_next_key(map, previous, &next) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno("cannot read map " + name, errno);
    }
    key = next;
    if (Result<void> visited = visit(key); !visited) return visited;
  }
}

// Visits the entries of a hash map. Entries that come or go meanwhile may be missed or seen.
template <typename Key, typename Value>
Result<void> visit_entries(const bpf_map* map,
                           const std::function<void(const Key&, const Value&)>& visit) {
  std::uint32_t room = 4096;  // must hold the largest bucket of the hash
  std::vector<Key> keys(room);
  std::vector<Value> values(room);
  std::uint32_t position = 0;
  bool is_first = true;
  for (;;) {
    std::uint32_t next = 0;
    std::uint32_t count = room;
    const int result = bpf_map_lookup_batch(bpf_map__fd(map), is_first ? nullptr : &position, &next,
                                            keys.data(), values.data(), &count, nullptr);
    const int error = result < 0 ? errno : 0;
    if (error == ENOSPC) {
      room *= 2;
      keys.resize(room);
      values.resize(room);
      continue;
    }
    if (error != 0 && error != ENOENT) {
      return fail_errno(std::string("cannot read map ") + bpf_map__name(map), error);
    }
    for (std::uint32_t i = 0; i < count; ++i) visit(keys[i], values[i]);
    if (error == ENOENT) return {};
    position = next;
    is_first = false;
  }
}

}  // namespace headgate::kernel
