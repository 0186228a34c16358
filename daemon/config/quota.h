// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/penalty.h"
#include "daemon/config/position.h"

// What `quotas:` and the rule files that it names say: limits on the requests of cooperating
// services. The tree of descriptors is that of envoyproxy/ratelimit; native rules add keys to it.
namespace headgate::config {

// The numbers are those of the contract (envoy.service.ratelimit.v3.RateLimitResponse).
enum class QuotaUnit : std::uint8_t {
  kUnknown = 0,  // a native `per` that is none of these
  kSecond = 1,
  kMinute = 2,
  kHour = 3,
  kDay = 4,
  kMonth = 5,  // 30 days
  kYear = 6,   // 365 days
  kWeek = 7,
};

enum class QuotaAlgorithm : std::uint8_t {
  kFixedWindow,  // windows aligned to the epoch; the default of rule files
  kGcra,         // a rolling limit; the default of native rules
  kConcurrency,  // requests at once, each with a lease
  kAuto,         // an adaptive number of requests at once, by Apache bRPC's algorithm
  kGradient2,    // the same by the algorithm of Netflix' concurrency-limits
};

// One limit. Which fields mean something depends on the algorithm.
struct QuotaLimit {
  QuotaAlgorithm algorithm = QuotaAlgorithm::kFixedWindow;
  bool is_unlimited = false;             // counts nothing, admits all; nothing below is set then
  std::uint32_t requests = 0;            // in each `per`; at once for kConcurrency. 0 refuses all
  std::chrono::milliseconds per{0};      // kFixedWindow, kGcra: 1 ms .. 365 d
  QuotaUnit unit = QuotaUnit::kUnknown;  // of `per`, if it is one
  std::uint32_t burst = 0;    // kGcra: at most so many at once; unless given: `requests`; refilled
                              // within kMaxQuotaRefill
  std::uint32_t floor = 0;    // kAuto, kGradient2: never fewer than this at once, …
  std::uint32_t ceiling = 0;  // … and never more; >= floor >= 1
  std::chrono::milliseconds lease_ttl{0};  // those at once: a lease ends by itself after this;
                                           // 100 ms .. 1 d; 0: it does not

  friend bool operator==(const QuotaLimit&, const QuotaLimit&) = default;
};
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
  std::optional<std::string> grpc_listen;           // "127.0.0.1:8081"; none: no TCP
  std::optional<std::string> http_listen;           // `POST /json`
  std::optional<QuotaTls> tls;                      // of grpc_listen
  std::vector<std::string> rule_files;  // absolute paths; the last part may be a pattern
  std::uint32_t max_keys = 100'000;     // of each domain without its own
  std::vector<QuotaDomain> domains;  // native ones, then those of the rule files in order of path
};
inline constexpr std::size_t kMaxRuleFilePatterns = 64;
inline constexpr std::uint32_t kMinQuotaKeys = 16;
inline constexpr std::uint32_t kMaxQuotaKeys = 16'777'216;

}  // namespace headgate::config
