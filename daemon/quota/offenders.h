// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "common/ip.h"
#include "daemon/config/config.h"

namespace headgate::quota {

// Counts refusals by client, and says when one has completed an offence, in the way of the
// kernel's penalties (bpf/penalty.h). Remembers a bounded number of addresses, the latest.
// Thread-safe.
class Offenders {
 public:
  explicit Offenders(std::size_t most = 65'536) : most_(most) {}

  // For every refusal by a limit of this identity. Returns how long the client is to be denied, to
  // the one caller that completes an offence.
  std::optional<std::chrono::milliseconds> note_refusal(std::uint64_t limit, const Prefix& client,
                                                        const config::Penalty& penalty,
                                                        std::uint64_t now_ns);

  void forget(std::uint64_t limit, const Prefix& client);

 private:
  using Key = std::pair<std::uint64_t, Prefix>;
  struct Record {
    Key key;
    std::uint64_t first_ns = 0;  // refusal that is counted from
    std::uint32_t count = 0;
    std::uint64_t until_ns = 0;  // end of the last penalty
    std::chrono::milliseconds length{0};
  };
  Record& touch(const Key& key);

  std::mutex mutex_;
  std::size_t most_;
  std::list<Record> records_;  // the latest first
  std::map<Key, std::list<Record>::iterator> by_key_;
};

}  // namespace headgate::quota
