// SPDX-License-Identifier: Apache-2.0
#include "headgate/client.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "client/clock.h"
#include "client/core.h"
#include "client/rcu.h"
#include "quota/attach.h"
#include "quota/judge.h"

namespace headgate::client {
namespace {

constexpr std::size_t kMostEntries = 32;
constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

// Which of the places of a tally this thread counts in.
std::size_t shard_of_thread() {
  static std::atomic<unsigned> threads = 0;
  static constinit thread_local unsigned shard [[gnu::tls_model("initial-exec")]] = 0;
  if (shard == 0) shard = ++threads;
  return shard;
}

bool is_valid(std::span<const Entry> entries) {
  return !entries.empty() && entries.size() <= kMostEntries &&
         std::none_of(entries.begin(), entries.end(), [](const Entry& e) { return e.key.empty(); });
}

Decision admitted(Reason reason) {
  return {.is_admitted = true, .reason = reason, .remaining = kUnlimited};
}

void fill(Decision& decision, const quota::LimitCore& limit, const quota::Judged& judged) {
  const quota::Ruling& ruling = judged.ruling;
  decision.is_admitted = !ruling.is_over || !limit.is_enforced;
  decision.remaining = ruling.remaining;
  if (!ruling.is_over) {
    decision.reason = Reason::kWithinLimit;
  } else if (!limit.is_enforced) {
    decision.reason = Reason::kNotEnforced;
  } else if (ruling.retry_after == quota::Ruling::kNever) {
    decision.reason = Reason::kLargerThanLimit;
    decision.retry_after.reset();
  } else {
    decision.reason = judged.has_no_room ? Reason::kNoPermitLeft : Reason::kLimitReached;
    decision.retry_after = ruling.retry_after;
  }
}

}  // namespace

const char* to_text(Reason reason) {
  switch (reason) {
    case Reason::kWithinLimit:
      return "within the limit";
    case Reason::kNoRule:
      return "no rule";
    case Reason::kUnlimited:
      return "unlimited";
    case Reason::kNotEnforced:
      return "over a limit that is not enforced";
    case Reason::kLimitReached:
      return "limit reached";
    case Reason::kLargerThanLimit:
      return "larger than the limit";
    case Reason::kNoPermitLeft:
      return "no permit left";
    case Reason::kNotAttached:
      return "not attached to a daemon";
  }
  return "unknown reason";
}

// ---- Keys

struct Key::State {
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<quota::Entry> entries;  // refer to them
  // What was found under the rules of this generation.
  std::uint64_t generation = 0;
  const quota::ServiceLimit* limit = nullptr;
  quota::Fingerprint fingerprint;

  explicit State(std::vector<std::pair<std::string, std::string>> from) : texts(std::move(from)) {
    for (const auto& [key, value] : texts) entries.push_back({key, value});
  }

  void look_up(const InForce& now) {
    limit = now.policy->find(entries);
    if (limit != nullptr && now.mapping != nullptr) {
      fingerprint = quota::key_of(*limit, entries, now.mapping->table().seed()).fingerprint;
    }
    generation = now.generation;
  }
};

Key::Key(std::unique_ptr<State> state) : state_(std::move(state)) {}
Key::Key(const Key& other)
    : state_(other.state_ ? std::make_unique<State>(other.state_->texts) : nullptr) {}
Key::Key(Key&& other) noexcept = default;
Key& Key::operator=(const Key& other) {
  return *this = Key(other);
}
Key& Key::operator=(Key&& other) noexcept = default;
Key::~Key() = default;

// ---- Clients

struct Client::State {
  Core core;

  explicit State(Options options) : core(std::move(options)) {}

  // Within a Reading.
  Admission ask(Client& client, const InForce& now, const quota::ServiceLimit* limit,
                const quota::Key& key, std::uint64_t cost) {
    Admission admission;
    if (limit == nullptr || now.mapping == nullptr) {
      admission.decision_ = admitted(Reason::kNoRule);
      return admission;
    }
    const quota::Moment moment = read_clock();
    if (cost != 0 && quota::is_concurrency(limit->settings)) {
      note(*limit, key, cost, lend(client, *now.mapping, *limit, key, moment, admission),
           admission);
    } else {
      note(*limit, key, cost,
           quota::judge(*limit, now.mapping->table(), key, cost, moment, quota::Counting::kAll),
           admission);
    }
    return admission;
  }

  void note(const quota::ServiceLimit& limit, const quota::Key& key, std::uint64_t cost,
            const quota::Judged& judged, Admission& admission) {
    fill(admission.decision_, limit, judged);
    if (limit.settings.is_unlimited) admission.decision_.reason = Reason::kUnlimited;
    if (cost == 0) return;
    limit.tally.add(shard_of_thread(), quota::counted(limit, judged));
    if (!admission && limit.has_penalty && !judged.has_no_room &&
        limit.level < key.entries.size()) {
      core.desk().outbox.add_refusal(limit.identity, key.entries[limit.level].value);
    }
  }

  static quota::Judged lend(Client& client, Mapping& mapping, const quota::ServiceLimit& limit,
                            const quota::Key& key, const quota::Moment& moment,
                            Admission& admission) {
    const std::optional<std::size_t> lease = mapping.borrow_lease();
    if (!lease) {
      quota::Judged refused;
      refused.ruling.is_over = true;
      refused.ruling.retry_after = quota::kPermitHint;
      refused.has_no_room = true;
      return refused;
    }
    const std::chrono::nanoseconds ttl = limit.settings.lease_ttl;
    const std::uint64_t end =
        ttl.count() > 0 ? moment.steady_ns + static_cast<std::uint64_t>(ttl.count()) : 0;
    const quota::Judged judged =
        quota::lend(limit, mapping.table(), mapping.semaphore(), key, *lease, end, moment);
    if (judged.ruling.is_over) {
      mapping.return_lease(*lease, 0);
      return judged;
    }
    admission.holder_ = &mapping;
    admission.client_ = &client;
    admission.lease_ = static_cast<std::uint32_t>(*lease);
    admission.life_ = judged.life;
    admission.in_flight_ = static_cast<std::uint32_t>(judged.counted);
    admission.begin_ns_ = moment.steady_ns;
    admission.fingerprint_[0] = key.fingerprint.high;
    admission.fingerprint_[1] = key.fingerprint.low;
    admission.limit_ = quota::is_adaptive(limit.settings) ? limit.identity : 0;
    return judged;
  }

  Admission not_attached() const {
    Admission admission;
    admission.decision_.is_admitted = core.options().fail_policy == FailPolicy::kOpen;
    admission.decision_.reason = Reason::kNotAttached;
    if (admission) {
      admission.decision_.remaining = kUnlimited;
    } else {
      admission.decision_.retry_after = quota::kPermitHint;
    }
    return admission;
  }
};

Client::Client(Options options) {
  const auto wrong = [](const char* what) { throw std::invalid_argument(what); };
  constexpr std::size_t kMostSocketBytes = sizeof(sockaddr_un::sun_path) - 1;
  if (options.domain.empty()) wrong("Options::domain is empty");
  if (options.domain.size() > quota::attach::kMaxDomainBytes) wrong("Options::domain is too long");
  if (options.socket.empty()) wrong("Options::socket is empty");
  if (options.socket.size() > kMostSocketBytes) wrong("Options::socket is too long a path");
  if (options.max_permits == 0 || options.max_permits > quota::attach::kMaxLeases) {
    wrong("Options::max_permits is not 1 to 65,536");
  }
  if (options.patience.count() < 0) wrong("Options::patience is negative");
  prepare_clock();
  state_ = std::make_unique<State>(std::move(options));
  state_->core.start();
}

Client::~Client() = default;

Key Client::key(std::span<const Entry> entries) const {
  if (!is_valid(entries)) {
    throw std::invalid_argument("a descriptor has 1 to 32 entries, none without a key");
  }
  std::vector<std::pair<std::string, std::string>> texts;
  for (const Entry& entry : entries) texts.emplace_back(entry.key, entry.value);
  return Key(std::make_unique<Key::State>(std::move(texts)));
}

Admission Client::try_acquire(Key& key, std::uint64_t cost) noexcept {
  if (!key.state_) return try_acquire(std::span<const Entry>(), cost);  // it was moved from
  if (state_->core.has_forked()) state_->core.restart_after_fork();
  const Reading reading;
  const InForce* const now = state_->core.in_force();
  if (now == nullptr) return state_->not_attached();
  Key::State& known = *key.state_;
  if (known.generation != now->generation) known.look_up(*now);
  return state_->ask(*this, *now, known.limit, {known.fingerprint, known.entries}, cost);
}

Admission Client::try_acquire(std::span<const Entry> entries, std::uint64_t cost) noexcept {
  std::array<quota::Entry, kMostEntries> room;
  quota::EntrySpan all(room.data(), 0);
  if (is_valid(entries)) {
    for (std::size_t i = 0; i < entries.size(); ++i) room[i] = {entries[i].key, entries[i].value};
    all = {room.data(), entries.size()};
  }
  if (state_->core.has_forked()) state_->core.restart_after_fork();
  const Reading reading;
  const InForce* const now = state_->core.in_force();
  if (now == nullptr) return state_->not_attached();
  const quota::ServiceLimit* const limit = all.empty() ? nullptr : now->policy->find(all);
  quota::Key key{{}, all};
  if (limit != nullptr && now->mapping != nullptr) {
    key = quota::key_of(*limit, all, now->mapping->table().seed());
  }
  return state_->ask(*this, *now, limit, key, cost);
}

std::string Client::rule(const Key& key) const {
  const Reading reading;
  const InForce* const now = state_->core.in_force();
  if (now == nullptr) return "";
  const quota::ServiceLimit* const limit = now->policy->find(key.state_->entries);
  return limit != nullptr ? limit->name : "";
}

void Client::add_time(std::string_view user, std::string_view client,
                      std::chrono::nanoseconds used) {
  if (user.empty() && client.empty()) return;
  // Full: names that nobody has heard of. What is not counted is not throttled.
  static_cast<void>(state_->core.desk().times.add(user, client, used));
}

std::chrono::nanoseconds Client::throttle(std::string_view user, std::string_view client) const {
  return state_->core.desk().throttles.left(user, client, Throttles::Clock::now());
}

Status Client::status() const {
  Core::Desk& desk = state_->core.desk();
  const std::lock_guard lock(desk.mutex);
  return desk.status;
}

// ---- Admissions

void Admission::swap(Admission& other) noexcept {
  std::swap(decision_, other.decision_);
  std::swap(holder_, other.holder_);
  std::swap(client_, other.client_);
  std::swap(fingerprint_, other.fingerprint_);
  std::swap(limit_, other.limit_);
  std::swap(begin_ns_, other.begin_ns_);
  std::swap(life_, other.life_);
  std::swap(lease_, other.lease_);
  std::swap(in_flight_, other.in_flight_);
}

void Admission::drop() noexcept {
  static_cast<Mapping*>(std::exchange(holder_, nullptr))->return_lease(lease_, life_);
}

void Admission::end(const Outcome& outcome) {
  if (holder_ == nullptr) return;
  if (limit_ != 0 && !static_cast<Mapping*>(holder_)->is_inherited()) {
    const std::uint64_t now = read_clock().steady_ns;
    const std::uint64_t held = now - std::min(now, begin_ns_);
    const std::uint64_t latency =
        outcome.latency
            ? static_cast<std::uint64_t>(std::max<std::int64_t>(outcome.latency->count(), 0))
            : held;
    client_->state_->core.desk().outbox.add({limit_,
                                             {fingerprint_[0], fingerprint_[1]},
                                             {now, latency, in_flight_, outcome.has_failed}});
  }
  drop();
}

// ---- Times

TimedRequest::TimedRequest(Client& client, std::string_view user, std::string_view name)
    : client_(client), user_(user), name_(name), start_(std::chrono::steady_clock::now()) {}

TimedRequest::~TimedRequest() {
  client_.add_time(user_, name_, std::chrono::steady_clock::now() - start_);
}

}  // namespace headgate::client
