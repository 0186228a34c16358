// SPDX-License-Identifier: Apache-2.0
//
// Random rules: what flatten() says of one, read again, is the same rule.
#include "daemon/config/flatten.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::config {
namespace {

class RuleWriter {
 public:
  explicit RuleWriter(unsigned seed) : random_(seed) {}

  // The body of a rule, as it stands below its name.
  std::string next() {
    std::string body = "    listen: [" + listen() + ", " + listen() + ", " + listen() + "]\n";
    if (chance()) body += "    mode: " + pick({"enforce", "monitor"}) + "\n";
    if (chance()) body += "    count_half_open: " + pick({"client", "all", "none"}) + "\n";
    if (chance()) body += "    handshake_timeout: " + pick({"100ms", "1500ms", "60s", "1h"}) + "\n";
    if (chance()) body += "    on_limit: reply\n    reply: " + reply() + "\n";
    const std::string total = number(1000, 2000);
    body += "    connections: { per_client: " + limit() + ", per_network: " + limit() +
            ", total: " + total + ", reserve: " + number(0, 1000) + " }\n";
    body += "    new_connections: { per_client: " + rate() + ", total: " + rate() + " }\n";
    if (chance()) {
      body += "    penalty: { after: " + number(1, 1000) + ", within: " + number(1, 3600) +
              "s, deny_for: " + number(1, 80) + "h, grow: " + number(1, 100) + " }\n";
    }
    body += "    overrides:\n";
    for (int i = 0; i < 5; ++i) body += "      - " + override_at(i) + "\n";
    return body;
  }

 private:
  std::string override_at(int i) {
    const std::string third = std::to_string(i);
    const std::string clients = "{ clients: [10.0." + third + ".0/24, \"2001:db8:" + third + "::/" +
                                number(48, 128) + "\"], ";
    if (chance()) return clients + "exempt: true }";
    return clients + "connections: { per_client: " + limit() +
           " }, new_connections: { per_network: " + rate() + " } }";
  }

  std::string reply() {
    return pick({"http-429", "redis", "mysql", "postgresql", "smtp-421",
                 R"({ raw: "\x01\x7f\"\\'\r\n: #{}[]é\x85\u2028 " })", "{ raw: ~x }",
                 "{ raw: 'null' }", "{ raw: '007' }", "{ raw: \" \" }"});
  }
  std::string listen() {
    return pick({"443", "8000-8010", "'10.0.0.0/8:80'", "'[2001:db8::1]:1-9'",
                 "{ unit: nginx.service }", "{ unit: \"php-fpm@8.2\\\\x2d.service\" }",
                 "{ cgroup: system.slice/nginx.service }", "{ cgroup: 'null' }", "{ cgroup: 007 }",
                 "{ cgroup: \" /~ \\\" \\\\ ' #: {}[]é\\x85\\u2028 \" }"});
  }
  std::string limit() { return chance() ? "unlimited" : number(0, 1'000'000'000); }
  std::string rate() {
    if (chance()) return "unlimited";
    const std::string text = number(1, 1'000'000) + "/" + pick({"s", "m", "h"});
    return chance() ? text : "{ rate: " + text + ", burst: " + number(1, 1'000'000) + " }";
  }
  std::string number(unsigned low, unsigned high) {
    return std::to_string(low + random_() % (high - low + 1));
  }
  std::string pick(const std::vector<std::string>& from) { return from[random_() % from.size()]; }
  bool chance() { return random_() % 2 == 0; }

  std::mt19937 random_;
};

// The part of a flattened rule that settings cannot carry, as YAML.
std::string overrides_of(const std::map<std::string, std::string>& flat) {
  std::map<std::string, std::map<std::string, std::string>> by_prefix;
  for (const auto& [key, value] : flat) {
    if (!key.starts_with("overrides[")) continue;
    const std::size_t end = key.find("].");
    by_prefix[key.substr(10, end - 10)][key.substr(end + 2)] = value;
  }
  std::string yaml = "    overrides:\n";
  for (const auto& [prefix, values] : by_prefix) {
    std::map<std::string, std::string> sections;
    std::map<std::string, std::string> rates;
    for (const auto& [key, value] : values) {
      const std::size_t dot = key.find('.');
      const std::size_t second = key.find('.', dot + 1);
      if (dot == std::string::npos) {
        yaml += "      - { clients: \"" + prefix + "\", " + key + ": " + value + " }\n";
      } else if (second == std::string::npos) {
        sections[key.substr(0, dot)] += key.substr(dot + 1) + ": " + value + ", ";
      } else {
        rates[key.substr(dot + 1, second - dot - 1)] +=
            key.substr(second + 1) + ": " + value + ", ";
      }
    }
    for (const auto& [level, text] : rates) {
      sections["new_connections"] += level + ": { " + text + "}, ";
    }
    if (sections.empty()) continue;
    yaml += "      - { clients: \"" + prefix + "\", ";
    for (const auto& [section, text] : sections) yaml += section + ": { " + text + "}, ";
    yaml += "}\n";
  }
  return yaml;
}

TEST(Flatten, OfARandomRuleIsReadAgain) {
  RuleWriter writer(20240229);
  for (int round = 0; round < 2000; ++round) {
    const std::string body = writer.next();
    SCOPED_TRACE(body);
    const auto flat = flatten(parse_good("rules:\n  - name: web\n" + body).rules.at(0));
    std::vector<Setting> settings;
    for (const auto& [key, value] : flat) {
      if (!key.starts_with("overrides[")) settings.push_back({"web", key, value, {}});
    }
    const Config again =
        parse_good("rules:\n  - name: web\n    listen: 1\n" + overrides_of(flat), settings);
    ASSERT_EQ(again.rules.size(), 1U);
    ASSERT_EQ(flatten(again.rules[0]), flat);
  }
}

}  // namespace
}  // namespace headgate::config
