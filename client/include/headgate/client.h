// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// Asks headgated's quotas from within a service, in tens of nanoseconds: the counts of a domain are
// in memory that the daemon, its doors and all such services share, so a decision takes no lock and
// makes no system call. For C: headgate/client_c.h.
//
//   headgate::client::Client client({.domain = "api"});
//   headgate::client::Key alice = client.key({{"user", "alice"}});
//   if (auto admission = client.try_acquire(alice)) {
//     serve();                        // holds the permits of limits on requests at once
//   } else {
//     refuse(admission.retry_after());  // 429, Retry-After
//   }
//
// Namespaces of helpers that need no daemon: headgate/backoff.h, headgate/circuit_breaker.h,
// headgate/adaptive_limit.h.
namespace headgate::client {

inline constexpr const char* kDefaultSocket = "/run/headgate/quota-memory.sock";

// What a request says of itself: {"user", "alice"}. A key is never empty.
struct Entry {
  std::string_view key;
  std::string_view value;
};

// What is answered as long as the daemon has never let this client in. Once it has, its last rules
// hold, and the counts that the services of this host share, also while no daemon runs.
enum class FailPolicy : std::uint8_t { kOpen, kClosed };

struct Options {
  std::string domain;                   // not empty
  std::string socket = kDefaultSocket;  // `quotas.memory.socket` of the daemon
  FailPolicy fail_policy = FailPolicy::kOpen;
  std::uint32_t max_permits = 1024;  // that this process holds at once, of all limits; 1 .. 65,536
  // How long the constructor waits for the daemon; 0: it does not. Whether it answers or not, the
  // client is good: it goes on trying by itself, with growing pauses of at most a second.
  std::chrono::milliseconds patience{1000};
};

enum class Reason : std::uint8_t {
  kWithinLimit = 0,
  kNoRule = 1,       // nothing limits it: no rule matches, or the daemon has no such domain
  kUnlimited = 2,    // by a rule that says so
  kNotEnforced = 3,  // over the limit of a rule that is only watched
  kLimitReached = 4,
  kLargerThanLimit = 5,  // it costs more than the whole limit: waiting does not help
  kNoPermitLeft = 6,     // this process holds Options::max_permits, or the domain's memory is full
  kNotAttached = 7,      // the daemon has never answered: as the fail policy says
};
const char* to_text(Reason reason);  // "limit reached"

struct Decision {
  bool is_admitted = false;
  Reason reason = Reason::kNotAttached;
  std::uint32_t remaining = 0;  // after this request; 2^32 - 1 if nothing limits it
  // Until the same request can be admitted; 0 if it was. It has no jitter: add some, so that
  // callers do not return together. None: never.
  std::optional<std::chrono::nanoseconds> retry_after = std::chrono::nanoseconds(0);
};

// How a request went; adaptive limits (`auto`, `gradient2`) learn from it.
struct Outcome {
  // None: for as long as it was held.
  std::optional<std::chrono::nanoseconds> latency = std::nullopt;
  bool has_failed = false;
};

class Client;

// A key, looked up once and asked for often: what remembers a descriptor of up to 32 entries. One
// thread at a time; a copy for each thread costs little. Follows the rules when they change. May
// outlive its client, and is of no use then.
class Key {
 public:
  Key(const Key& other);
  Key(Key&& other) noexcept;
  Key& operator=(const Key& other);
  Key& operator=(Key&& other) noexcept;
  ~Key();

 private:
  friend class Client;
  struct State;
  explicit Key(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A decision, and the permit that came with it if it was about a limit of requests at once. The
// permit is given back when this ends. One thread at a time; it must not outlive its client.
class [[nodiscard]] Admission {
 public:
  Admission() = default;
  Admission(Admission&& other) noexcept { swap(other); }
  Admission& operator=(Admission&& other) noexcept {
    Admission(std::move(other)).swap(*this);
    return *this;
  }
  ~Admission() {
    if (holder_ != nullptr) drop();
  }

  explicit operator bool() const { return decision_.is_admitted; }
  const Decision& decision() const { return decision_; }
  std::optional<std::chrono::nanoseconds> retry_after() const { return decision_.retry_after; }
  bool holds_permit() const { return holder_ != nullptr; }

  // Gives the permit back, if there is one, and says how the request went. Without this, an
  // adaptive limit learns nothing from it.
  void end(const Outcome& outcome = {});

 private:
  friend class Client;
  void swap(Admission& other) noexcept;
  void drop() noexcept;

  Decision decision_;
  void* holder_ = nullptr;  // of the lease
  Client* client_ = nullptr;
  std::uint64_t fingerprint_[2] = {};
  std::uint64_t limit_ = 0;
  std::uint64_t begin_ns_ = 0;
  std::uint64_t life_ = 0;
  std::uint32_t lease_ = 0;
  std::uint32_t in_flight_ = 0;
};

struct Status {
  bool is_attached = false;    // to a daemon that runs
  bool has_rules = false;      // that are in force, whether the daemon runs or not
  std::uint64_t attached = 0;  // how often
  std::string problem;         // why it is not attached, for people; empty: it is
};

// One domain's quotas for one process. Thread-safe. Has one thread of its own, which talks to the
// daemon. After a fork() the child's client goes on with the rules and counts that it has, without
// permits, and attaches anew by itself when it is first asked; what the parent holds stays
// the parent's, and Admissions that the child inherited give nothing back.
class Client {
 public:
  // Throws std::invalid_argument if the options make no sense; std::system_error if there is no
  // thread to be had. A daemon that is not there is no error: see Options::fail_policy.
  explicit Client(Options options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Throws std::invalid_argument: no entries, more than 32, or one without a key.
  Key key(std::span<const Entry> entries) const;
  Key key(std::initializer_list<Entry> entries) const {
    return key(std::span(entries.begin(), entries.size()));
  }

  // Asks for `cost` of the limit that holds for the key, and takes it if it is there. A limit of
  // requests at once is asked for one permit, whatever the cost. Cost 0 looks, and takes nothing.
  // Lock-free; no system call, but for a thread's first one, which asks for a little memory, and
  // the first after a fork; never throws.
  Admission try_acquire(Key& key, std::uint64_t cost = 1) noexcept;

  // The same for a key that is asked for once; it takes longer, for the rule must be found first.
  // An invalid descriptor matches no rule.
  Admission try_acquire(std::span<const Entry> entries, std::uint64_t cost = 1) noexcept;
  Admission try_acquire(std::initializer_list<Entry> entries, std::uint64_t cost = 1) noexcept {
    return try_acquire(std::span(entries.begin(), entries.size()), cost);
  }

  // The rule that holds for the key, as metrics call it; empty: none.
  std::string rule(const Key& key) const;

  // Quotas of users and clients (`clients` of the domain, Kafka's KIP-124): what serving a client
  // has taken, of one thread's time. It is told the daemon ten times a second (within one when
  // there was nothing to tell before); the answer is
  // throttle(). Either name may be empty, not both. Takes a short lock.
  void add_time(std::string_view user, std::string_view client, std::chrono::nanoseconds used);
  // How long this client is still to be silent; 0: it may send. Telling it, or delaying what it
  // sends, is the service's duty (KIP-219). Takes a short lock.
  std::chrono::nanoseconds throttle(std::string_view user, std::string_view client) const;

  Status status() const;

 private:
  friend class Admission;
  struct State;
  std::unique_ptr<State> state_;
};

// Measures how long a request is being served, for Client::add_time: from here to its end.
class TimedRequest {
 public:
  TimedRequest(Client& client, std::string_view user, std::string_view name);
  ~TimedRequest();
  TimedRequest(const TimedRequest&) = delete;
  TimedRequest& operator=(const TimedRequest&) = delete;

 private:
  Client& client_;
  std::string user_;
  std::string name_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace headgate::client
