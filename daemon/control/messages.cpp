// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/messages.h"

#include <chrono>

namespace headgate::control {
namespace {

template <typename Unit>
std::int64_t since_1970(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<Unit>(time.time_since_epoch()).count();
}

v1::Change::Kind kind_of(config::Change::Kind kind) {
  switch (kind) {
    case config::Change::Kind::kAdded:
      return v1::Change::ADDED;
    case config::Change::Kind::kRemoved:
      return v1::Change::REMOVED;
    case config::Change::Kind::kChanged:
      return v1::Change::CHANGED;
    case config::Change::Kind::kNeedsRestart:
      return v1::Change::NEEDS_RESTART;
  }
  return v1::Change::CHANGED;
}

const char* name_of(manage::DenyListed::Source source) {
  switch (source) {
    case manage::DenyListed::Source::kConfig:
      return "config";
    case manage::DenyListed::Source::kOperator:
      return "operator";
    case manage::DenyListed::Source::kPenalty:
      return "penalty";
  }
  return "?";
}

void fill(v1::Level* message, const manage::Level& level) {
  message->set_who(level.who);
  message->set_connections(level.connections);
  message->set_half_open(level.half_open);
  if (level.limit) message->set_limit(*level.limit);
  if (!level.bucket) return;
  v1::Bucket* bucket = message->mutable_bucket();
  bucket->set_rate_per_second(level.bucket->rate_per_second);
  bucket->set_burst(level.bucket->burst);
  bucket->set_tokens(level.bucket->tokens);
  bucket->set_until_next_ns(static_cast<std::uint64_t>(level.bucket->until_next.count()));
}

}  // namespace

std::int64_t unix_seconds(std::chrono::system_clock::time_point time) {
  return since_1970<std::chrono::seconds>(time);
}

void fill(v1::Rule* message, const observe::RuleSnapshot& rule) {
  message->set_name(rule.name);
  for (const std::string& listen : rule.listen) message->add_listen(listen);
  message->set_connections(rule.counts.connections);
  message->set_half_open(rule.counts.half_open);
  message->set_clients(rule.counts.clients);
  if (rule.per_client_limit) message->set_per_client_limit(*rule.per_client_limit);
  if (rule.per_network_limit) message->set_per_network_limit(*rule.per_network_limit);
  if (rule.total_limit) message->set_total_limit(*rule.total_limit);
  message->set_mode(rule.mode);
  message->set_action(rule.action);
  const hg_rule_stats& counters = rule.counts.counters;
  message->set_admitted(counters.admitted);
  for (int reason = HG_ADMITTED + 1; reason < HG_REASON_END; ++reason) {
    const std::string& label = observe::reason_labels()[static_cast<std::size_t>(reason)];
    for (int action = 0; action < HG_ACTIONS; ++action) {
      auto* counts =
          action == HG_ACTION_NONE ? message->mutable_would_refuse() : message->mutable_refused();
      (*counts)[label] += counters.refused[action][reason - 1];
    }
  }
  message->set_overshoot_closed(counters.overshoot);
  message->set_untracked(counters.untracked);
  message->set_adopted(counters.adopted);
}

void fill(v1::Front* message, const observe::FrontSnapshot& front) {
  message->set_netns(front.netns);
  message->set_interface(front.interface);
  message->set_mode(front.mode);
  message->set_is_alone(front.is_alone);
  message->set_others(front.others);
  message->set_error(front.error);
  for (std::size_t verdict = 0; verdict < observe::front_verdict_labels().size(); ++verdict) {
    for (std::size_t reason = 0; reason < observe::reason_labels().size(); ++reason) {
      const std::uint64_t count = front.counts.packets[verdict][reason];
      if (count == 0) continue;
      v1::FrontCount* packets = message->add_packets();
      packets->set_verdict(observe::front_verdict_labels()[verdict]);
      packets->set_reason(observe::reason_labels()[reason]);
      packets->set_count(count);
    }
  }
}

void fill(v1::Client* message, const observe::ClientSnapshot& client) {
  message->set_rule(client.rule);
  message->set_prefix(client.prefix.to_string());
  message->set_connections(client.connections);
  message->set_half_open(client.half_open);
  if (client.limit) message->set_limit(*client.limit);
  message->set_refused(client.refused);
  message->set_rate(client.rate);
  message->set_netns(client.netns);
}

void fill(v1::Change* message, const config::Change& change) {
  message->set_kind(kind_of(change.kind));
  message->set_rule(change.rule);
  message->set_key(change.key);
  message->set_from(change.from);
  message->set_to(change.to);
}

void fill(v1::ReloadResponse* message, const manage::ReloadReport& report) {
  message->set_generation(report.generation);
  for (const config::Change& change : report.changes) fill(message->add_changes(), change);
  message->set_rekeyed(report.rekeyed);
  message->set_took_us(static_cast<std::uint64_t>(report.took.count()));
  for (const std::string& warning : report.warnings) message->add_warnings(warning);
}

void fill(v1::VerifyResponse* message, const manage::VerifyReport& report) {
  for (const manage::Drift& drift : report.drift) {
    v1::Drift* entry = message->add_drift();
    entry->set_netns(drift.netns);
    entry->set_rule(drift.rule);
    entry->set_client(drift.client);
    entry->set_counted(drift.counted);
    entry->set_live(drift.live);
  }
  message->set_connections(report.connections);
  message->set_clients(report.clients);
  message->set_is_repaired(report.is_repaired);
}

void fill(v1::DenyResponse* message, const manage::DenyReport& report) {
  message->set_added(report.added);
  message->set_replaced(report.replaced);
  message->set_removed(report.removed);
  message->set_unknown(report.unknown);
  message->set_evicted(report.evicted);
}

void fill(v1::DenyListed* message, const manage::DenyListed& listed) {
  v1::DenyEntry* entry = message->mutable_entry();
  entry->set_cidr(listed.entry.cidr.to_string());
  entry->set_reason(listed.entry.reason);
  if (listed.entry.until) {
    entry->set_until_unix_ms(since_1970<std::chrono::milliseconds>(*listed.entry.until));
  }
  entry->set_is_hard(listed.entry.is_hard);
  message->set_source(name_of(listed.source));
  message->set_rule(listed.rule);
}

void fill(v1::ExplainResponse* message, const manage::Explanation& explanation) {
  message->set_rule(explanation.rule);
  message->set_generation(explanation.generation);
  message->set_client(explanation.client);
  message->set_overridden_by(explanation.overridden_by.value_or(""));
  message->set_exempt_by(explanation.exempt_by.value_or(""));
  fill(message->mutable_per_client(), explanation.per_client);
  fill(message->mutable_per_network(), explanation.per_network);
  fill(message->mutable_total(), explanation.total);
  message->set_reserve(explanation.reserve);
  if (explanation.deny) fill(message->mutable_deny(), *explanation.deny);
  if (explanation.penalty) fill(message->mutable_penalty(), *explanation.penalty);
  message->set_penalty_times(explanation.penalty_times);
  message->set_mode(explanation.mode);
  message->set_is_admitted(explanation.is_admitted);
  message->set_reason(explanation.reason);
  message->set_action(explanation.action);
}

void fill(v1::Event* message, const observe::Event& event) {
  message->set_time_unix_ns(since_1970<std::chrono::nanoseconds>(event.time));
  message->set_kind(event.kind);
  message->set_rule(event.rule);
  message->set_client(event.client);
  message->set_client_port(event.client_port);
  message->set_server(event.server);
  message->set_reason(event.reason);
  message->set_action(event.action);
  message->set_text(event.text);
  message->set_suppressed(event.suppressed);
}

}  // namespace headgate::control
