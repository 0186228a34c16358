// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdint>

#include "cli/render.h"
#include "cli/table.h"
#include "cli/words.h"
#include "daemon/config/number.h"

namespace headgate::cli {
namespace {

using control::v1::ClientQuota;
using control::v1::QuotaCheckResponse;
using control::v1::QuotaDomain;
using control::v1::QuotaKey;
using control::v1::QuotaLimit;
using std::chrono::nanoseconds;

constexpr char kNoDomains[] = "no quota domains: no requests are limited\n";

// Exactly, and as the configuration says it: "30s", "1500ms".
std::string exactly(std::uint64_t milliseconds) {
  return config::format_duration(
      std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds)));
}

// "100 per 30s, burst 200", "10 at once", "auto 9..500"
std::string limit_text(const QuotaLimit& limit) {
  if (limit.is_unlimited()) return "unlimited";
  const std::string requests = std::to_string(limit.requests());
  if (limit.algorithm() == "fixed") return requests + " at once";
  const std::string per = requests + " per " + exactly(limit.per_ms());
  if (limit.algorithm() == "gcra") return per + ", burst " + std::to_string(limit.burst());
  if (limit.algorithm() == "fixed-window") return per + ", fixed window";
  return safe(limit.algorithm()) + " " + std::to_string(limit.floor()) + ".." +
         std::to_string(limit.ceiling());
}

// The path tells which rule it is where the name does not.
std::string rule_text(const QuotaLimit& limit) {
  const std::string name = safe(limit.name());
  return limit.name() == limit.path() ? name : name + " (" + safe(limit.path()) + ")";
}

std::uint64_t sum(const QuotaDomain& domain, std::uint64_t (QuotaLimit::*count)() const) {
  std::uint64_t total = 0;
  for (const QuotaLimit& limit : domain.limits()) total += (limit.*count)();
  return total;
}

std::string fill_text(const QuotaDomain& domain) {
  if (domain.max_keys() == 0) return "-";
  return readable(100.0 * static_cast<double>(domain.keys()) / domain.max_keys()) + " %";
}

std::string limits_text(const QuotaDomain& domain) {
  Table table({"RULE", "LIMIT", "MODE", "ADMITTED", "REFUSED", "WOULD REFUSE", "NEAR", "IN FLIGHT"},
              {false, false, false, true, true, true, true, true});
  for (const QuotaLimit& limit : domain.limits()) {
    const bool refuses = limit.mode() == "enforce" && limit.shadow() == 0;
    table.add({rule_text(limit), limit_text(limit), safe(limit.mode()),
               std::to_string(limit.admitted()), std::to_string(limit.refused()),
               refuses ? "-" : std::to_string(limit.shadow()), std::to_string(limit.near_limit()),
               limit.has_in_flight() ? std::to_string(limit.in_flight()) : "-"});
  }
  return table.to_string();
}

std::string notes_text(const QuotaDomain& domain, Colour colour) {
  std::string text;
  for (const QuotaLimit& limit : domain.limits()) {
    if (!limit.penalty().empty()) {
      text += "penalty of " + safe(limit.name()) + ": " + safe(limit.penalty()) + "\n";
    }
    if (limit.uncounted() > 0) {
      text += colour.bad("not counted") + " by " + safe(limit.name()) + ": " +
              count_of(limit.uncounted(), "request") +
              ", admitted because the table had no room; max_keys is too small\n";
    }
  }
  return text;
}

std::string client_quotas_text(const QuotaDomain& domain) {
  const auto number = [](bool is_set, double value, const char* unit) {
    return is_set ? readable(value) + unit : std::string("-");
  };
  Table table({"USER", "CLIENT", "TIME", "BYTES", "CONNECTIONS"}, {false, false, true, true, true});
  for (const ClientQuota& quota : domain.clients()) {
    table.add({quota.has_user() ? safe(quota.user()) : "-",
               quota.has_client() ? safe(quota.client()) : "-",
               number(quota.has_time_percent(), quota.time_percent(), " %"),
               number(quota.has_bytes_per_second(), quota.bytes_per_second(), "/s"),
               number(quota.has_connections_per_second(), quota.connections_per_second(), "/s")});
  }
  return table.to_string();
}

std::string domain_text(const QuotaDomain& domain, Colour colour) {
  std::string text = "domain " + safe(domain.name()) + ": " + std::to_string(domain.keys()) +
                     " of " + count_of(domain.max_keys(), "key") + " in use, " +
                     std::to_string(domain.evicted()) + " evicted";
  if (domain.check_all_then_commit()) text += "; nothing is counted unless all is admitted";
  text += "\n";
  if (!domain.limits().empty()) text += "\n" + limits_text(domain);
  text += notes_text(domain, colour);
  if (!domain.clients().empty()) text += "\n" + client_quotas_text(domain);
  return text;
}

std::string verdict(const QuotaCheckResponse& answer, bool was_taken, Colour colour) {
  if (!answer.has_limit()) return colour.good("ADMITTED") + "  no rule limits it";
  if (!answer.is_over()) return colour.good("ADMITTED") + "  the limit has room";
  const std::string why = answer.has_retry_after_ns() ? "the limit is reached"
                                                      : "it costs more than the limit ever has";
  if (answer.is_admitted()) {
    return colour.odd("ADMITTED") + "  only because of mode " + safe(answer.limit().mode()) +
           "; else " + why;
  }
  return colour.bad(was_taken ? "REFUSED" : "WOULD BE REFUSED") + "  " + why;
}

std::string again(const QuotaCheckResponse& answer) {
  if (!answer.has_retry_after_ns()) return "never";
  if (answer.retry_after_ns() == 0) return "when one that is under way ends";
  return "in " + readable(nanoseconds(static_cast<std::int64_t>(answer.retry_after_ns())));
}

std::string counted(const QuotaLimit& limit, bool was_taken) {
  if (!was_taken) return "no: this only looks; --take counts";
  return limit.per_ms() == 0
             ? "yes, but no place is held: only services hold one among those at once"
             : "yes";
}

}  // namespace

std::string quota_list_text(const control::v1::QuotaDomainsResponse& answer) {
  if (answer.domains().empty()) return kNoDomains;
  Table table({"DOMAIN", "RULES", "CLIENTS", "KEYS", "MAX KEYS", "FULL", "EVICTED", "ADMITTED",
               "REFUSED", "WOULD REFUSE"},
              {false, true, true, true, true, true, true, true, true, true});
  for (const QuotaDomain& domain : answer.domains()) {
    table.add({safe(domain.name()), std::to_string(domain.limits_size()),
               std::to_string(domain.clients_size()), std::to_string(domain.keys()),
               std::to_string(domain.max_keys()), fill_text(domain),
               std::to_string(domain.evicted()), std::to_string(sum(domain, &QuotaLimit::admitted)),
               std::to_string(sum(domain, &QuotaLimit::refused)),
               std::to_string(sum(domain, &QuotaLimit::shadow))});
  }
  return table.to_string();
}

std::string quota_show_text(const control::v1::QuotaDomainsResponse& answer, Colour colour) {
  if (answer.domains().empty()) return kNoDomains;
  std::string text;
  for (const QuotaDomain& domain : answer.domains()) {
    text += (text.empty() ? "" : "\n") + domain_text(domain, colour);
  }
  return text;
}

std::string quota_check_text(const control::v1::QuotaCheckRequest& request,
                             const QuotaCheckResponse& answer, Colour colour) {
  std::string text;
  for (const control::v1::QuotaEntry& entry : request.entries()) {
    text += (text.empty() ? "" : ",") + safe(entry.key()) + "=" + safe(entry.value());
  }
  text += " in domain " + safe(request.domain()) + ": " + verdict(answer, request.take(), colour) +
          "\n";
  if (!answer.has_limit()) return text;
  const QuotaLimit& limit = answer.limit();
  text += "\nrule       " + rule_text(limit) + "\nlimit      " + limit_text(limit) + "\n";
  if (limit.is_unlimited()) return text;
  text += "left       " + std::to_string(answer.remaining()) + "\n";
  if (answer.is_over()) text += "again      " + again(answer) + "\n";
  if (answer.until_reset_ns() > 0) {
    text += "all free   in " +
            readable(nanoseconds(static_cast<std::int64_t>(answer.until_reset_ns()))) + "\n";
  }
  if (limit.mode() != "enforce") {
    text += "mode       " + colour.odd(safe(limit.mode())) + ": counted, refuses nothing\n";
  }
  return text + "counted    " + counted(limit, request.take()) + "\n";
}

std::string quota_top_text(const control::v1::QuotaTopResponse& answer) {
  if (answer.keys().empty()) return "no keys: nobody has asked yet\n";
  Table table({"DOMAIN", "RULE", "KEY", "HITS", "REFUSED", "IN FLIGHT"},
              {false, false, false, true, true, true});
  for (const QuotaKey& key : answer.keys()) {
    table.add({safe(key.domain()), safe(key.rule()), safe(key.label()), std::to_string(key.hits()),
               std::to_string(key.refused()), std::to_string(key.in_flight())});
  }
  return table.to_string();
}

}  // namespace headgate::cli
