// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "daemon/config/error.h"
#include "daemon/config/quota_readers.h"
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

Result<void> read_tls(const Value& value, std::optional<QuotaTls>& into) {
  QuotaTls tls;
  const auto path = [](std::string& to) {
    return [&to](const Value& v) { return store(to, v.absolute_path(kMaxPathBytes)); };
  };
  Result<void> done = read_map(value, value.name(),
                               {{"certificate", path(tls.certificate), true},
                                {"key", path(tls.key), true},
                                {"client_ca", path(tls.client_ca)}});
  if (done) into = std::move(tls);
  return done;
}

// A pattern has its wildcards behind the last '/': directories are not searched.
Result<std::string> read_rule_file_path(const Value& value) {
  Result<std::string> path = value.absolute_path(kMaxPathBytes);
  if (!path) return path;
  const std::size_t slash = path->rfind('/');
  if (slash + 1 == path->size()) {
    return value.fail_expecting(
        "a file such as /etc/headgate/ratelimit.d/api.yaml, or a pattern "
        "such as /etc/headgate/ratelimit.d/*.yaml,");
  }
  if (path->find_first_of("*?[") < slash) {
    return value.fail_expecting(
        "a pattern with wildcards in its last part only, such as "
        "/etc/headgate/ratelimit.d/*.yaml,");
  }
  return path;
}

Result<void> read_rule_files(const Value& list, std::vector<std::string>& into) {
  const std::size_t count = list.content().items.size();
  if (count > kMaxRuleFilePatterns) {
    return list.fail("'" + list.name() + "' has " + std::to_string(count) + " entries; at most " +
                     std::to_string(kMaxRuleFilePatterns) +
                     ", or a pattern such as /etc/headgate/ratelimit.d/*.yaml for several, would "
                     "be right");
  }
  DistinctNames paths;
  return read_list(list, [&](const Value& item) -> Result<void> {
    Result<std::string> path = read_rule_file_path(item);
    if (!path) return tl::unexpected(std::move(path).error());
    Result<void> done = paths.add(item, "path", *path);
    if (done) into.push_back(*std::move(path));
    return done;
  });
}

Result<void> read_domain(const Value& item, QuotaDomain& into) {
  const Value map(item.file(), "", item.node());
  into.file = map.file();
  return read_map(
      map, "a domain",
      {{"domain",
        [&](const Value& v) {
          into.position = v.position();
          return store(into.name, v.text("a name such as api"));
        },
        true},
       {"max_keys",
        [&](const Value& v) {
          return store(into.max_keys, v.integer(kMinQuotaKeys, kMaxQuotaKeys));
        }},
       {"check_all_then_commit",
        [&](const Value& v) { return store(into.check_all_then_commit, v.truth()); }},
       {"descriptors", [&](const Value& v) { return read_quota_rules(v, into.descriptors); }},
       {"clients", [&](const Value& v) { return read_client_quotas(v, into.clients); }}});
}

}  // namespace

Result<void> read_quota_domains(const Value& value, std::vector<QuotaDomain>& into) {
  DistinctNames names;
  return read_list(value, [&](const Value& item) -> Result<void> {
    QuotaDomain domain;
    Result<void> done = read_domain(item, domain);
    if (done) done = names.add(item, "domain", domain.name);
    if (done) into.push_back(std::move(domain));
    return done;
  });
}

Result<void> read_quotas(const Value& value, Quotas& into) {
  const auto listen = [](std::optional<std::string>& to) {
    return [&to](const Value& v) { return read_endpoint(v, to); };
  };
  const auto read_memory = [&](const Value& v) {
    const auto read_socket = [&](const Value& path) {
      return store(into.memory_socket, path.absolute_path(kMaxSocketBytes, {"off"}));
    };
    return read_map(v, v.name(), {{"socket", read_socket, true}});
  };
  const auto read_grpc = [&](const Value& v) {
    return read_map(v, v.name(),
                    {{"listen", listen(into.grpc_listen), true},
                     {"tls", [&](const Value& tls) { return read_tls(tls, into.tls); }}});
  };
  const auto read_http = [&](const Value& v) {
    return read_map(v, v.name(), {{"listen", listen(into.http_listen), true}});
  };
  return read_map(
      value, value.name(),
      {{"socket",
        [&](const Value& v) { return store(into.socket, v.absolute_path(kMaxSocketBytes)); }},
       {"memory", read_memory},
       {"grpc", read_grpc},
       {"http", read_http},
       {"rule_files", [&](const Value& v) { return read_rule_files(v, into.rule_files); }},
       {"max_keys",
        [&](const Value& v) {
          return store(into.max_keys, v.integer(kMinQuotaKeys, kMaxQuotaKeys));
        }},
       {"domains", [&](const Value& v) { return read_quota_domains(v, into.domains); }}});
}

}  // namespace headgate::config
