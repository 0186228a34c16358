// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quota/bytes.h"
#include "quota/limit_sample.h"
#include "quota/sharded_tally.h"
#include "quota/table.h"

// How a service gets the memory of a domain: messages over a Unix socket of type SOCK_SEQPACKET, of
// which the first byte is the kind. The service says Hello. The daemon answers with a Welcome and
// two file descriptors, of the account (to be mapped for reading and writing) and of the rules
// (service_policy.h, sealed); or with a Welcome that says why not, and closes. Whenever the rules
// change it sends kRules with one file descriptor. The service's leases are given back when it
// closes the socket, or the process that has connected is gone; not when the daemon ends the
// connection.
//
// All else that the service says is about what it has judged by itself; it is sent now and then.
namespace headgate::quota::attach {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kMaxMessageBytes = 16 * 1024;  // read by the daemon in one go
inline constexpr std::size_t kMaxDomainBytes = 1024;
inline constexpr std::uint32_t kMaxLeases = 65'536;

enum class Kind : std::uint8_t {
  kHello = 1,
  kTallies = 2,   // Tally …
  kSamples = 3,   // Sample …
  kRefusals = 4,  // Refusal …
  kTimes = 5,     // ServingTime …
  kWelcome = 16,
  kRules = 17,      // with a file descriptor
  kThrottles = 18,  // Throttle …
};

struct Hello {
  std::uint32_t version = kVersion;
  std::uint32_t leases = 0;  // that it wants, at most kMaxLeases
  std::string domain;
};

enum class Status : std::uint32_t {
  kWelcome = 0,
  kWrongVersion = 1,
  kUnknownDomain = 2,
  kBadHello = 3,
};

struct Welcome {
  std::uint32_t version = kVersion;
  Status status = Status::kWelcome;
  std::uint64_t sets = 0;
  std::uint32_t max_keys = 0;
  std::uint64_t seed = 0;
  std::uint64_t leases = 0;       // in the account, all services together
  std::uint64_t first_lease = 0;  // this service's own: so many from this one on
  std::uint64_t lease_count = 0;  // 0: it wants none, or none are left
};

struct Tally {
  std::uint64_t identity = 0;  // of the limit
  TallyCounts counts;
};

// How a request went that held a permit of an adaptive limit.
struct Sample {
  std::uint64_t identity = 0;
  Fingerprint key;
  LimitSample sample;
};

// By a limit with a penalty.
struct Refusal {
  std::uint64_t identity = 0;
  std::string value;  // of the entry at the limit's own level
};

struct ServingTime {
  std::string user;    // empty: none
  std::string client;  // empty: none
  std::chrono::nanoseconds used{0};
};

struct Throttle {
  std::string user;
  std::string client;
  std::chrono::nanoseconds time{0};
};

template <typename Archive>
void fields(Archive& archive, Hello& hello) {
  archive(hello.version)(hello.leases)(hello.domain);
}
template <typename Archive>
void fields(Archive& archive, Welcome& welcome) {
  archive(welcome.version)(welcome.status)(welcome.sets)(welcome.max_keys)(welcome.seed);
  archive(welcome.leases)(welcome.first_lease)(welcome.lease_count);
}
template <typename Archive>
void fields(Archive& archive, Tally& tally) {
  TallyCounts& counts = tally.counts;
  archive(tally.identity)(counts.admitted)(counts.refused)(counts.shadow)(counts.uncounted);
  archive(counts.near_limit);
}
template <typename Archive>
void fields(Archive& archive, Sample& sample) {
  archive(sample.identity)(sample.key.high)(sample.key.low)(sample.sample.now_ns);
  archive(sample.sample.latency_ns)(sample.sample.in_flight)(sample.sample.is_failed);
}
template <typename Archive>
void fields(Archive& archive, Refusal& refusal) {
  archive(refusal.identity)(refusal.value);
}
template <typename Archive>
void fields(Archive& archive, ServingTime& time) {
  archive(time.user)(time.client)(time.used);
}
template <typename Archive>
void fields(Archive& archive, Throttle& throttle) {
  archive(throttle.user)(throttle.client)(throttle.time);
}

// A message of one item.
template <typename Item>
std::string message(Kind kind, Item item) {
  ByteWriter writer;
  writer(kind);
  fields(writer, item);
  return writer.take();
}

inline std::optional<Kind> kind_of(std::string_view message) {
  if (message.empty()) return std::nullopt;
  return static_cast<Kind>(message[0]);
}

// A message of one item. None: it is not whole, or there is more.
template <typename Item>
std::optional<Item> read_one(std::string_view message) {
  ByteReader reader(message.substr(1));
  Item item;
  fields(reader, item);
  if (!reader.is_good() || !reader.is_at_end()) return std::nullopt;
  return item;
}

// Calls `use` with each item of a message of several. False: the last one is not whole.
template <typename Item, typename Use>
bool read_each(std::string_view message, const Use& use) {
  ByteReader reader(message.substr(1));
  while (!reader.is_at_end()) {
    Item item;
    fields(reader, item);
    if (!reader.is_good()) return false;
    use(std::move(item));
  }
  return reader.is_good();
}

// Puts items into messages, none of them too large. An item that is too large by itself is left
// out.
template <typename Items, typename Send>
void write_each(Kind kind, Items& items, const Send& send) {
  ByteWriter writer;
  writer(kind);
  for (auto& item : items) {
    std::size_t before = writer.size();
    fields(writer, item);
    if (writer.size() > kMaxMessageBytes && before > sizeof(kind)) {
      writer.cut(before);
      send(writer.take());
      writer(kind);
      before = writer.size();
      fields(writer, item);
    }
    if (writer.size() > kMaxMessageBytes) writer.cut(before);
  }
  if (writer.size() > sizeof(kind)) send(writer.take());
}

}  // namespace headgate::quota::attach
