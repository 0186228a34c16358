// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/penalty.h"
#include "daemon/config/position.h"
#include "quota/limit.h"

// What `quotas:` and the rule files that it names say: limits on the requests of cooperating
// services. The tree of descriptors is that of envoyproxy/ratelimit; native rules add keys to it.
namespace headgate::config {

using QuotaUnit = quota::Unit;
using QuotaAlgorithm = quota::Algorithm;
using QuotaLimit = quota::LimitSettings;
inline constexpr std::uint32_t kMaxConcurrency = 1'000'000;
inline constexpr std::chrono::milliseconds kMaxQuotaPeriod = std::chrono::hours(24 * 365);
// What the state of a rolling limit can hold (quota/gcra.h).
inline constexpr std::chrono::milliseconds kMaxQuotaRefill = 2 * kMaxQuotaPeriod;

// A node of the tree: what the entry of a request's descriptor at its level has to say, the limit
// of a descriptor that ends here, and the levels below.
struct QuotaRule {
  std::string key;                   // never empty
  std::optional<std::string> value;  // none: any; may hold '*' for any text
  std::optional<QuotaLimit> limit;
  std::string name;                   // of the limit; may be empty
  std::vector<std::string> replaces;  // names of limits that do not hold where this one does
  bool shadow_mode = false;           // counted and told, never enforced
  bool quota_mode = false;            // as shadow_mode for the answer; told in `quota`
  bool detailed_metric = false;       // one series for each value
  bool value_to_metric = false;       // the value is part of the rule's name in metrics
  bool share_threshold = false;       // all values that match the wildcard count as one
  std::string metadata;            // told with the answer: a JSON object in one line; empty: none
  std::optional<Penalty> penalty;  // for clients whose address is an entry's value
  std::vector<QuotaRule> descriptors;
  Position position;

  bool has_wildcard() const { return value && value->find('*') != std::string::npos; }
};

// Quotas of a user, a client, or both together, as Kafka has them (KIP-13, KIP-124, KIP-612). Of
// those that match the most particular one holds (quota/precedence.h).
struct ClientQuota {
  enum class Whom : std::uint8_t {
    kNobody,   // `user` or `client` is not named
    kDefault,  // "<default>": each one that has none of its own, with a bucket of its own
    kOne,
  };
  Whom user = Whom::kNobody;
  Whom client = Whom::kNobody;                   // at least one of them is somebody
  std::string user_name;                         // kOne
  std::string client_name;                       // kOne
  std::optional<double> time_percent;            // of one thread's time; > 0
  std::optional<double> bytes_per_second;        // > 0
  std::optional<double> connections_per_second;  // made by each client address; > 0
  Position position;
};

// A key of a rule file that stands where it means nothing, which envoyproxy/ratelimit lets pass.
struct IgnoredKey {
  std::string key;
  Position position;
};

struct QuotaDomain {
  std::string name;  // unique over all files; never empty
  std::string file;  // that says so
  std::vector<QuotaRule> descriptors;
  std::vector<ClientQuota> clients;  // no two for the same
  std::optional<std::uint32_t> max_keys;
  bool check_all_then_commit = false;  // nothing is counted unless all is admitted
  std::vector<IgnoredKey> ignored;     // of a rule file: warned of (warnings.h)
  Position position;
};

struct QuotaTls {
  std::string certificate;  // absolute paths of PEM files
  std::string key;
  std::string client_ca;  // empty: no client certificate is asked for

  friend bool operator==(const QuotaTls&, const QuotaTls&) = default;
};

// The section `quotas`. Without domains no door is opened.
struct Quotas {
  std::string socket = "/run/headgate/quota.sock";  // gRPC; absolute path, < 108 bytes
  // Where services get the memory to decide by themselves in: a path, "off", or empty for the file
  // quota-memory.sock beside `socket`.
  std::string memory_socket;
  std::optional<std::string> grpc_listen;  // "127.0.0.1:8081"; none: no TCP
  std::optional<std::string> http_listen;  // `POST /json`
  std::optional<QuotaTls> tls;             // of grpc_listen
  std::vector<std::string> rule_files;     // absolute paths; the last part may be a pattern
  std::uint32_t max_keys = 100'000;        // of each domain without its own
  std::vector<QuotaDomain> domains;  // native ones, then those of the rule files in order of path
};
// The path that is meant; none: it is off.
std::optional<std::string> memory_socket_of(const Quotas& quotas);
inline constexpr std::size_t kMaxRuleFilePatterns = 64;
inline constexpr std::uint32_t kMinQuotaKeys = 16;
inline constexpr std::uint32_t kMaxQuotaKeys = 16'777'216;

}  // namespace headgate::config
