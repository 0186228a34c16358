// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/engine.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/ip.h"
#include "daemon/quota/account.h"
#include "daemon/quota/compile.h"
#include "daemon/quota/judge.h"
#include "daemon/quota/offenders.h"

namespace headgate::quota {
namespace {

constexpr std::size_t kMaxKeyBytes = 4096;  // of a key or a value

std::uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

tl::unexpected<Error> bad_request(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

// Which descriptor is meant, for who has sent several.
std::string nth(const Request& request, std::size_t i) {
  return request.descriptors.size() == 1 ? "the descriptor" : "descriptor " + std::to_string(i + 1);
}

Result<void> check_entries(const Request& request, std::size_t i) {
  const std::vector<Entry>& entries = request.descriptors[i].entries;
  if (entries.empty())
    return bad_request(nth(request, i) + " has no entries; at least one is needed");
  if (entries.size() > Engine::kMaxEntries) {
    return bad_request(nth(request, i) + " has " + std::to_string(entries.size()) +
                       " entries; at most " + std::to_string(Engine::kMaxEntries) + " are taken");
  }
  for (const Entry& entry : entries) {
    if (entry.key.empty()) return bad_request(nth(request, i) + " has an entry without a key");
    if (entry.key.size() > kMaxKeyBytes || entry.value.size() > kMaxKeyBytes) {
      return bad_request(nth(request, i) + " has an entry longer than " +
                         std::to_string(kMaxKeyBytes) + " bytes");
    }
  }
  return {};
}

Result<void> check_request(const Request& request) {
  if (request.domain.empty()) return bad_request("the request names no domain");
  if (request.descriptors.empty()) return bad_request("the request has no descriptors");
  if (request.descriptors.size() > Engine::kMaxDescriptors) {
    return bad_request("the request has " + std::to_string(request.descriptors.size()) +
                       " descriptors; at most " + std::to_string(Engine::kMaxDescriptors) +
                       " are taken");
  }
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    if (auto good = check_entries(request, i); !good) return good;
    const auto& limit = request.descriptors[i].limit;
    if (limit && length_of(limit->unit).count() == 0) {
      return bad_request(nth(request, i) + " has a limit without a unit");
    }
  }
  return {};
}

const Limit* limit_for(const Domain& domain, const Descriptor& descriptor, Decision& decision) {
  if (!descriptor.limit) return domain.tree.find(descriptor.entries);
  decision.overrides.push_back(make_override(*descriptor.limit, descriptor.entries));
  return decision.overrides.back().get();
}

// What another limit of the same request replaces does not hold.
void drop_replaced(std::vector<Verdict>& verdicts) {
  std::unordered_set<std::string_view> replaced;
  for (const Verdict& verdict : verdicts) {
    if (verdict.limit == nullptr) continue;
    replaced.insert(verdict.limit->replaces.begin(), verdict.limit->replaces.end());
  }
  if (replaced.empty()) return;
  for (Verdict& verdict : verdicts) {
    if (verdict.limit != nullptr && replaced.contains(verdict.limit->name)) verdict.limit = nullptr;
  }
}

// More than 80 % of the limit is used, as envoyproxy/ratelimit has it.
bool is_near(const Verdict& verdict) {
  const config::QuotaLimit& settings = verdict.limit->settings;
  if (settings.is_unlimited || verdict.would_be_over) return false;
  const std::uint64_t most =
      settings.algorithm == config::QuotaAlgorithm::kGcra ? settings.burst : settings.requests;
  return std::uint64_t{verdict.remaining} * 5 < most;
}

void tally(const Judged& judged, const Verdict& verdict) {
  if (!verdict.limit->tally) return;
  Tally& counts = *verdict.limit->tally;
  const auto add = [](std::atomic<std::uint64_t>& to, std::uint64_t count) {
    to.fetch_add(count, std::memory_order_relaxed);
  };
  if (judged.has_no_room) {
    add(counts.uncounted, 1);
  } else if (verdict.is_over) {
    add(counts.refused, 1);
  } else {
    add(verdict.would_be_over ? counts.shadow : counts.admitted, 1);
  }
  if (is_near(verdict)) add(counts.near_limit, 1);
}

std::optional<IpAddress> address_in(const Descriptor& descriptor) {
  for (const Entry& entry : descriptor.entries) {
    if (auto address = IpAddress::parse(entry.value)) return *address;
  }
  return std::nullopt;
}

}  // namespace

struct Engine::State {
  Clock clock;
  std::atomic<std::shared_ptr<const Policy>> policy;
  Offenders offenders;
  std::function<void(const Offence&)> on_offence;

  Judged judge_one(const Domain& domain, const Request& request, std::size_t i, const Limit& limit,
                   const Moment& now, Counting counting) const;
  void judge_each(const Domain& domain, const Request& request, Decision& decision,
                  const Moment& now);
  void judge_together(const Domain& domain, const Request& request, Decision& decision,
                      const Moment& now);
  void settle(const Domain& domain, const Descriptor& descriptor, std::uint64_t hits,
              const Judged& judged, Verdict& verdict, const Moment& now);
};

namespace {

std::uint64_t hits_of(const Request& request, std::size_t i) {
  return request.descriptors[i].hits.value_or(request.hits);
}

// What the judge has found, for the limit that the verdict has already.
void take_over(Verdict& verdict, const Verdict& from) {
  const Limit* const limit = verdict.limit;
  verdict = from;
  verdict.limit = limit;
  verdict.would_be_over = from.is_over;
  if (limit->shadow_mode || limit->quota_mode) verdict.is_over = false;
}

}  // namespace

Judged Engine::State::judge_one(const Domain& domain, const Request& request, std::size_t i,
                                const Limit& limit, const Moment& now, Counting counting) const {
  TableView& table = domain.account->table();
  const Key key = key_of(limit, request.descriptors[i].entries, table.seed());
  return judge(limit, table, key, hits_of(request, i), now, counting);
}

// What follows from a verdict: the counters, and penalties.
void Engine::State::settle(const Domain& domain, const Descriptor& descriptor, std::uint64_t hits,
                           const Judged& judged, Verdict& verdict, const Moment& now) {
  if (hits == 0) return;
  tally(judged, verdict);
  const Limit& limit = *verdict.limit;
  if (!verdict.is_over || !limit.penalty || !on_offence) return;
  const auto client = address_in(descriptor);
  if (!client) return;
  const auto length =
      offenders.note_refusal(limit.identity, *client, *limit.penalty, now.steady_ns);
  if (length) on_offence({*client, *length, domain.name, limit.name});
}

void Engine::State::judge_each(const Domain& domain, const Request& request, Decision& decision,
                               const Moment& now) {
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    if (verdict.limit == nullptr) continue;
    const Judged judged = judge_one(domain, request, i, *verdict.limit, now, Counting::kAll);
    take_over(verdict, judged.verdict);
    settle(domain, request.descriptors[i], hits_of(request, i), judged, verdict, now);
  }
}

// Takes from one limit after the other; if one has no room, gives back what was taken.
void Engine::State::judge_together(const Domain& domain, const Request& request, Decision& decision,
                                   const Moment& now) {
  std::vector<Judged> taken;
  bool has_room = true;
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    taken.emplace_back();
    if (verdict.limit == nullptr) continue;
    taken[i] = judge_one(domain, request, i, *verdict.limit, now,
                         has_room ? Counting::kAdmitted : Counting::kNone);
    take_over(verdict, taken[i].verdict);
    has_room = has_room && !verdict.is_over;
  }
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    if (verdict.limit == nullptr) continue;
    const std::uint64_t hits = hits_of(request, i);
    if (!has_room) {
      refund(*verdict.limit, taken[i], hits);
      if (!verdict.would_be_over) {
        const Judged after = judge_one(domain, request, i, *verdict.limit, now, Counting::kNone);
        verdict.remaining = std::max(verdict.remaining, after.verdict.remaining);
      }
    }
    if (has_room || verdict.is_over) {
      settle(domain, request.descriptors[i], hits, taken[i], verdict, now);
    }
  }
}

Engine::Clock Engine::Clock::system() {
  return {[] { return read_clock(CLOCK_REALTIME); }, [] { return read_clock(CLOCK_MONOTONIC); }};
}

Engine::Engine(Clock clock) : state_(std::make_unique<State>()) {
  state_->clock = clock;
  state_->policy = std::make_shared<const Policy>();
}
Engine::~Engine() = default;

void Engine::on_offence(std::function<void(const Offence&)> call) {
  state_->on_offence = std::move(call);
}

Result<void> Engine::put_in_force(const config::Quotas& quotas) {
  auto next = compile(quotas, policy().get());
  if (!next) return tl::unexpected(next.error());
  state_->policy.store(*std::move(next));
  return {};
}

std::shared_ptr<const Policy> Engine::policy() const {
  return state_->policy.load();
}

Result<Decision> Engine::check(const Request& request) {
  if (auto good = check_request(request); !good) return tl::unexpected(good.error());
  Decision decision;
  decision.policy = policy();
  decision.verdicts.resize(request.descriptors.size());
  const auto found = decision.policy->domains.find(std::string(request.domain));
  if (found == decision.policy->domains.end()) return decision;
  const Domain& domain = found->second;
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    decision.verdicts[i].limit = limit_for(domain, request.descriptors[i], decision);
  }
  drop_replaced(decision.verdicts);
  const Moment now{state_->clock.wall_ns(), state_->clock.steady_ns()};
  if (domain.check_all_then_commit) {
    state_->judge_together(domain, request, decision, now);
  } else {
    state_->judge_each(domain, request, decision, now);
  }
  decision.is_over = std::any_of(decision.verdicts.begin(), decision.verdicts.end(),
                                 [](const Verdict& verdict) { return verdict.is_over; });
  return decision;
}

Result<std::vector<KeyUse>> Engine::top(const std::string& domain_name, std::size_t count) const {
  const auto now = policy();
  const auto found = now->domains.find(domain_name);
  if (found == now->domains.end()) {
    return fail(ErrorCode::kNotFound, "there is no quota domain '" + domain_name + "'");
  }
  std::unordered_map<std::uint32_t, const Limit*> limits;
  for (const auto& limit : found->second.limits) {
    limits[static_cast<std::uint32_t>(limit->identity)] = limit.get();
  }
  const TableView& table = found->second.account->table();
  const auto read = [](const auto& word) { return word.load(std::memory_order_relaxed); };
  std::vector<KeyUse> uses;
  for (std::size_t number = 0; number < table.slots(); ++number) {
    const shared::Slot* const slot = table.slot_in_use(number);
    if (slot == nullptr) continue;
    const auto limit = limits.find(read(slot->rule));
    KeyUse use;
    use.rule = limit != limits.end() ? limit->second->name : "override";
    for (const auto& byte : slot->label) {
      const char c = read(byte);
      if (c == '\0') break;
      use.label += c;
    }
    use.hits = read(slot->hits);
    use.refused = read(slot->refused);
    use.in_flight = Semaphore::count_of(read(slot->in_flight));
    uses.push_back(std::move(use));
  }
  const std::size_t kept = std::min(count, uses.size());
  std::partial_sort(uses.begin(), uses.begin() + static_cast<std::ptrdiff_t>(kept), uses.end(),
                    [](const KeyUse& a, const KeyUse& b) { return a.hits > b.hits; });
  uses.resize(kept);
  return uses;
}

Engine::KeyCount Engine::keys(const Domain& domain) {
  const TableView& table = domain.account->table();
  return {table.keys(), table.evicted(), table.max_keys()};
}

void Engine::tick() {
  for (const auto& [name, domain] : policy()->domains) domain.account->table().recount();
}

}  // namespace headgate::quota
