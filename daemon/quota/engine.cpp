// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/engine.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <unordered_set>
#include <utility>

#include "common/ip.h"
#include "daemon/quota/account.h"
#include "daemon/quota/compile.h"
#include "daemon/quota/engine_state.h"
#include "daemon/quota/validate.h"

namespace headgate::quota {
namespace {

std::uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

const Limit* limit_for(const Domain& domain, const Descriptor& descriptor, Decision& decision) {
  if (!descriptor.limit) {
    return static_cast<const Limit*>(domain.tree.find(descriptor.entries));
  }
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

// The client whom a penalty of this limit is for: the value of the rule's own entry. Other values
// are not looked at, for a user may call himself 192.0.2.1; and where several share a count nobody
// knows whose refusals they are. One network of IPv6 is one client, as in the kernel.
std::optional<Prefix> client_of(const Limit& limit, std::string_view value) {
  constexpr config::PrefixLengths kClient;
  if (!limit.shared_values.empty()) return std::nullopt;
  const auto address = IpAddress::parse(value);
  if (!address) return std::nullopt;
  const bool is_ipv4 = address->family() == IpFamily::kIpv4;
  return Prefix::of(*address, is_ipv4 ? kClient.ipv4 : kClient.ipv6);
}

}  // namespace

void take_over(Verdict& verdict, const Ruling& from) {
  static_cast<Ruling&>(verdict) = from;
  verdict.would_be_over = from.is_over;
  if (!verdict.limit->is_enforced) verdict.is_over = false;
}

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
  const Limit& limit = *verdict.limit;
  if (limit.tally) limit.tally->add(counted(limit, judged));
  // That the account has no room is nobody's offence.
  if (!verdict.is_over || judged.has_no_room || limit.level >= descriptor.entries.size()) return;
  note_refusal(domain, limit, descriptor.entries[limit.level].value, now);
}

void Engine::State::note_refusal(const Domain& domain, const Limit& limit, std::string_view value,
                                 const Moment& now) {
  if (!limit.penalty || !on_offence) return;
  const auto client = client_of(limit, value);
  if (!client) return;
  const auto length =
      offenders.note_refusal(limit.identity, *client, *limit.penalty, now.steady_ns);
  if (length) on_offence({*client, *length, domain.name, limit.name, limit.identity});
}

void Engine::State::judge_each(const Domain& domain, const Request& request, Decision& decision,
                               const Moment& now) {
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    if (verdict.limit == nullptr) continue;
    const Judged judged = judge_one(domain, request, i, *verdict.limit, now, Counting::kAll);
    take_over(verdict, judged.ruling);
    settle(domain, request.descriptors[i], hits_of(request, i), judged, verdict, now);
  }
}

// Takes from one limit after the other; if one has no room, gives back what was taken.
void Engine::State::judge_together(const Domain& domain, const Request& request, Decision& decision,
                                   const Moment& now, Lender* lender) {
  std::vector<Judged> taken;
  bool has_room = true;
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    Verdict& verdict = decision.verdicts[i];
    taken.emplace_back();
    if (verdict.limit == nullptr) continue;
    if (has_room && lender != nullptr && is_concurrency(verdict.limit->settings)) {
      const std::vector<Entry>& entries = request.descriptors[i].entries;
      taken[i] = lender->lend(*verdict.limit, entries, now);
    } else {
      taken[i] = judge_one(domain, request, i, *verdict.limit, now,
                           has_room ? Counting::kAdmitted : Counting::kNone);
    }
    take_over(verdict, taken[i].ruling);
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
        verdict.remaining = std::max(verdict.remaining, after.ruling.remaining);
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

void Engine::forget(const Offence& offence) {
  state_->offenders.forget(offence.limit, offence.client);
}

void Engine::on_offence(std::function<void(const Offence&)> call) {
  state_->on_offence = std::move(call);
}

Result<std::shared_ptr<const Policy>> Engine::prepare(const config::Quotas& quotas) const {
  return compile(quotas, policy().get());
}

void Engine::put_in_force(std::shared_ptr<const Policy> policy) {
  for (const auto& [name, domain] : policy->domains) domain.usage->put_in_force(domain.clients);
  state_->policy.store(std::move(policy));
}

std::shared_ptr<const Policy> Engine::policy() const {
  return state_->policy.load();
}

const Domain* Engine::State::begin(const Request& request, Decision& decision) const {
  decision.policy = policy.load();
  decision.verdicts.resize(request.descriptors.size());
  const auto found = decision.policy->domains.find(std::string(request.domain));
  if (found == decision.policy->domains.end()) return nullptr;
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    decision.verdicts[i].limit = limit_for(found->second, request.descriptors[i], decision);
  }
  drop_replaced(decision.verdicts);
  return &found->second;
}

void Engine::State::end(Decision& decision) {
  decision.is_over = std::any_of(decision.verdicts.begin(), decision.verdicts.end(),
                                 [](const Verdict& verdict) { return verdict.is_over; });
}

Result<Decision> Engine::check(const Request& request) {
  if (auto good = validate(request); !good) return tl::unexpected(good.error());
  Decision decision;
  const Domain* const domain = state_->begin(request, decision);
  if (domain == nullptr) return decision;
  const Moment now = state_->now();
  if (domain->check_all_then_commit) {
    state_->judge_together(*domain, request, decision, now, nullptr);
  } else {
    state_->judge_each(*domain, request, decision, now);
  }
  State::end(decision);
  return decision;
}

Result<Throttle> Engine::report(std::string_view domain, const UsageReport& report) {
  if (auto good = validate(domain, report); !good) return tl::unexpected(good.error());
  const auto now = policy();
  const auto found = now->domains.find(std::string(domain));
  if (found == now->domains.end()) return Throttle{};
  return found->second.usage->report(report, state_->clock.steady_ns());
}

Result<Engine::Acquired> Engine::acquire(const Request& request,
                                         std::optional<std::chrono::milliseconds> ttl) {
  if (auto good = validate(request); !good) return tl::unexpected(good.error());
  Acquired acquired;
  const Domain* const domain = state_->begin(request, acquired.decision);
  if (domain == nullptr) return acquired;
  const Moment now = state_->now();
  Lender lender(domain->account, ttl, Permit(state_->clock.steady_ns, now.steady_ns));
  state_->judge_together(*domain, request, acquired.decision, now, &lender);
  State::end(acquired.decision);
  if (!acquired.decision.is_over) acquired.permit = lender.take_permit();
  return acquired;
}

void Engine::tick() {
  const Moment now = state_->now();
  for (const auto& [name, domain] : policy()->domains) {
    domain.account->end_expired(now.steady_ns);
    domain.account->adaptive().prune();
    domain.account->mend_count();
  }
}

}  // namespace headgate::quota
