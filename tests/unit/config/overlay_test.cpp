// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/overlay.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/flatten.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr char kFile[] = R"(
defaults: { handshake_timeout: 7s }
rules:
  - name: web
    listen: 443
    connections: &limits { per_client: 100, total: 1000, reserve: 10 }
    new_connections: { per_client: 50/s }
    penalty: { after: 5, within: 10s, deny_for: 1m }
    on_limit: reply
    reply: http-429
    overrides: [{ clients: 10.0.0.0/8, exempt: true }]
  - { name: mail, listen: 25, connections: *limits }
)";

Setting setting(const std::string& rule, const std::string& key, const std::string& value) {
  return Setting{rule, key, value, {}};
}

Rule web_with(const std::string& key, const std::string& value) {
  const Config config = parse_good(kFile, {setting("web", key, value)});
  return config.rules.empty() ? Rule{} : config.rules.front();
}

Error error_with(const std::vector<Setting>& settings, const std::string& yaml = kFile) {
  const Result<Config> config = parse(yaml, "/etc/h.yaml", settings);
  EXPECT_FALSE(config.has_value());
  return config ? Error{} : config.error();
}

std::string message_with(const std::string& key, const std::string& value) {
  return error_with({setting("web", key, value)}).message;
}

TEST(Overlay, ReplacesAValue) {
  EXPECT_EQ(web_with("connections.per_client", "200").connections.per_client, 200U);
  EXPECT_EQ(web_with("connections.per_client", "unlimited").connections.per_client, std::nullopt);
  EXPECT_EQ(web_with("mode", "monitor").settings.mode, Mode::kMonitor);
  EXPECT_EQ(web_with("handshake_timeout", "1s").settings.handshake_timeout, 1s);
  EXPECT_EQ(web_with("listen", "[80, 8080]").listen.size(), 2U);
  EXPECT_EQ(web_with("client_prefix.ipv4", "30").settings.client_prefix, (PrefixLengths{30, 64}));
  EXPECT_EQ(web_with("penalty", "off").penalty, std::nullopt);
  EXPECT_EQ(web_with("penalty.deny_for", "2m").penalty, (Penalty{5, 10s, 2min, 1, 24h}));
}

TEST(Overlay, PutsGroupsInThePlaceOfPorts) {
  const auto listening = [](const std::string& key, const std::string& value) {
    return flatten(web_with(key, value)).at("listen");
  };
  EXPECT_EQ(listening("listen", "{ unit: nginx.service }"), "[{ unit: nginx.service }]");
  EXPECT_EQ(listening("listen", "[80, { cgroup: a/b }]"), "[80, { cgroup: a/b }]");
  EXPECT_EQ(listening("listen.unit", "nginx.service"), "[{ unit: nginx.service }]");
  EXPECT_EQ(message_with("listen.unit", "nginx"),
            "set web listen.unit=nginx: 'nginx' does not end with .service, .slice, .scope or "
            ".socket; 'nginx.service' would be right");
  EXPECT_EQ(message_with("listen", "{}"),
            "set web listen={}: a listen entry is an empty map; { unit: nginx.service } would be "
            "right");
}

TEST(Overlay, ReplacesAWholeMap) {
  const Rule rule = web_with("connections", "{ per_client: 5 }");
  EXPECT_EQ(rule.connections.per_client, 5U);
  EXPECT_EQ(rule.connections.total, std::nullopt);
  EXPECT_EQ(web_with("penalty", "{ after: 1, within: 1s, deny_for: 1s }").penalty,
            (Penalty{1, 1s, 1s, 1, 24h}));
}

TEST(Overlay, AddsWhatTheFileDoesNotHave) {
  EXPECT_EQ(web_with("connections.per_network", "7").connections.per_network, 7U);
  EXPECT_EQ(web_with("new_connections.total", "5/s").new_connections.total, (RateLimit{5, 1s, 5}));
  const Rule mail =
      parse_good(kFile, {setting("mail", "new_connections.total.rate", "5/s")}).rules.at(1);
  EXPECT_EQ(mail.new_connections.total, (RateLimit{5, 1s, 5}));
}

TEST(Overlay, ChangesNothingElse) {
  const auto before = flatten(parse_good(kFile).rules.at(0));
  auto after = flatten(web_with("connections.per_client", "200"));
  EXPECT_EQ(after.at("connections.per_client"), "200");
  after["connections.per_client"] = before.at("connections.per_client");
  EXPECT_EQ(after, before);
}

TEST(Overlay, LeavesTheOtherEndOfAnAliasAlone) {
  const Config config = parse_good(kFile, {setting("web", "connections.per_client", "200")});
  EXPECT_EQ(config.rules.at(0).connections.per_client, 200U);
  EXPECT_EQ(config.rules.at(1).connections.per_client, 100U);
}

TEST(Overlay, ABurstGoesWithARateThatIsWrittenShort) {
  EXPECT_EQ(web_with("new_connections.per_client.burst", "9").new_connections.per_client,
            (RateLimit{50, 1s, 9}));
  EXPECT_EQ(web_with("new_connections.per_client.rate", "5/s").new_connections.per_client,
            (RateLimit{5, 1s, 5}));
  EXPECT_EQ(message_with("new_connections.total.burst", "9"),
            "set web new_connections.total.burst=9: 'rate' is missing from new_connections.total; "
            "'rate: …' would be right");
}

TEST(Overlay, ReplyAndOnLimitGoTogether) {
  const Rule dropping = web_with("on_limit", "drop");
  EXPECT_EQ(dropping.settings.on_limit, OnLimit::kDrop);
  EXPECT_EQ(dropping.settings.reply, std::nullopt);
  const Rule mail = parse_good(kFile, {setting("mail", "reply", "smtp-421")}).rules.at(1);
  EXPECT_EQ(mail.settings.on_limit, OnLimit::kReply);
  EXPECT_EQ(mail.settings.reply, (Reply{ReplyKind::kSmtp421, ""}));
  EXPECT_EQ(web_with("reply.raw", "\"no\\n\"").settings.reply, (Reply{ReplyKind::kRaw, "no\n"}));
  EXPECT_EQ(web_with("on_limit", "reply").settings.reply, (Reply{ReplyKind::kHttp429, ""}));
}

TEST(Overlay, LaterSettingsComeOnTopOfEarlierOnes) {
  const Config config = parse_good(
      kFile, {setting("web", "connections.per_client", "1"),
              setting("web", "connections", "{ per_client: 2 }"),
              setting("mail", "mode", "monitor"), setting("web", "connections.total", "3")});
  EXPECT_EQ(config.rules.at(0).connections.per_client, 2U);
  EXPECT_EQ(config.rules.at(0).connections.total, 3U);
  EXPECT_EQ(config.rules.at(1).settings.mode, Mode::kMonitor);
}

TEST(Overlay, NamesTheSettingThatIsWrong) {
  const std::string number = "; a whole number from 0 to 1000000000 or 'unlimited' would be right";
  EXPECT_EQ(message_with("connections.per_client", "abc"),
            "set web connections.per_client=abc: 'connections.per_client' is 'abc'" + number);
  EXPECT_EQ(message_with("connections.per_client", ""),
            "set web connections.per_client=: 'connections.per_client' is empty" + number);
  EXPECT_EQ(message_with("connections.per_client", "{ a: 5 }"),
            "set web connections.per_client={ a: 5 }: 'connections.per_client' is a map" + number);
  EXPECT_EQ(message_with("connections.per_clinet", "5"),
            "set web connections.per_clinet=5: unknown key 'per_clinet' in connections; did you "
            "mean 'per_client'? Known keys: per_client, per_network, total, reserve");
  EXPECT_EQ(message_with("penalty", "{ aftr: 5 }"),
            "set web penalty={ aftr: 5 }: unknown key 'aftr' in penalty; did you mean 'after'? "
            "Known keys: after, within, deny_for, grow, at_most");
  EXPECT_EQ(message_with("mode.x", "5"),
            "set web mode.x=5: 'mode' is a map; 'enforce' or 'monitor' would be right");
  EXPECT_EQ(message_with("listen", "[443, 0]"),
            "set web listen=[443, 0]: '0' is not a port; 1 to 65535 would be right");
  EXPECT_EQ(message_with("client_prefix.ipv4", "16/"),
            "set web client_prefix.ipv4=16/: 'client_prefix.ipv4' is '16/'; a whole number from 0 "
            "to 32 would be right");
  const Error error = error_with({setting("web", "mode", "on")});
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
}

TEST(Overlay, NamesThePlaceOfASettingThatStandsInAFile) {
  Setting bad = setting("web", "mode", "on");
  bad.position = {3, 5};
  EXPECT_EQ(error_with({bad}).message,
            "/etc/h.set.yaml:3:5: set web mode=on: 'mode' is 'on'; 'enforce' or 'monitor' would be "
            "right");
}

TEST(Overlay, BlamesTheSettingForWhatItMakesWrongElsewhere) {
  const std::string reserve =
      "/etc/h.yaml:6:67: 'connections.reserve' is 10, more than 'connections.total'; a whole "
      "number from 0 to 5 would be right";
  EXPECT_EQ(message_with("connections.total", "5"), "set web connections.total=5: " + reserve);
  Setting in_file = setting("web", "connections.total", "5");
  in_file.position = {2, 5};
  EXPECT_EQ(error_with({in_file}).message, "with the settings of /etc/h.set.yaml: " + reserve);
  // What is wrong without the setting is none of its business.
  EXPECT_EQ(error_with({setting("web", "mode", "monitor")},
                       "rules: [{ name: web, listen: 1 }]\ncgroup: x")
                .message,
            "/etc/h.yaml:2:9: 'cgroup' is 'x'; an absolute path or 'auto' would be right");
}

TEST(Overlay, SaysWhichRulesThereAre) {
  const Error live = error_with({setting("wep", "mode", "monitor")});
  EXPECT_EQ(live.message, "set wep mode=monitor: there is no rule 'wep'; the rules are web, mail");
  EXPECT_EQ(live.code, ErrorCode::kNotFound);

  Setting in_file = setting("wep", "mode", "monitor");
  in_file.position = {3, 5};
  const Error stale = error_with({in_file});
  EXPECT_EQ(stale.message,
            "/etc/h.set.yaml:3:5: set wep mode=monitor: there is no rule 'wep'; the rules are web, "
            "mail; this item without effect should be removed, or its rule renamed");
  EXPECT_EQ(stale.code, ErrorCode::kInvalidArgument);

  EXPECT_EQ(error_with({setting("a", "mode", "monitor")}, "rules: []").message,
            "set a mode=monitor: there is no rule 'a'");
  std::string many = "rules:\n";
  for (int i = 1; i <= 25; ++i) {
    many += "  - { name: r" + std::to_string(i) + ", listen: " + std::to_string(i) + " }\n";
  }
  EXPECT_THAT(error_with({setting("a", "mode", "monitor")}, many).message,
              testing::EndsWith(", r19, r20 and 5 more"));
}

TEST(Overlay, SomeKeysCannotBeSet) {
  const std::string cannot =
      " cannot be set; a change in the configuration file and a reload would be right";
  EXPECT_EQ(message_with("name", "x"), "set web name=x: 'name'" + cannot);
  EXPECT_EQ(message_with("overrides", "[]"), "set web overrides=[]: 'overrides'" + cannot);
  EXPECT_EQ(message_with("overrides.x", "[]"), "set web overrides.x=[]: 'overrides'" + cannot);
  const std::string no_key =
      " is not a key; one of a rule such as connections.per_client or mode would be right";
  for (const std::string key : {"", ".", "mode.", ".mode", "connections..total", "a.b.c.d.e"}) {
    EXPECT_EQ(message_with(key, "x"), "set web " + key + "=x: '" + key + "'" + no_key);
  }
}

// A value is one node of the document, whatever it contains.
TEST(Overlay, AValueCannotBringOtherKeys) {
  EXPECT_THAT(message_with("mode", "monitor\non_limit: drop"),
              testing::HasSubstr("set web mode=monitor\\x0aon_limit: drop: value:"));
  EXPECT_THAT(message_with("mode", "monitor }, { name: x, listen: 1"),
              testing::StartsWith("set web mode=monitor }, { name: x, listen: 1: "));
  EXPECT_THAT(message_with("mode", "*limits"), testing::HasSubstr("an alias without its anchor"));
  EXPECT_THAT(message_with("mode", "monitor\n---\nx"), testing::HasSubstr("a second document"));
  EXPECT_THAT(message_with("mode", "!!str monitor"), testing::HasSubstr("tag"));
  EXPECT_THAT(message_with("mode", "mo\x01"), testing::HasSubstr("is a control character"));
  EXPECT_THAT(message_with("mode", "\xff"), testing::HasSubstr("is not valid UTF-8"));
  EXPECT_THAT(message_with("listen", std::string(17'000, '1')),
              testing::HasSubstr("the value has 17000 bytes; at most 16384 would be right"));
  EXPECT_EQ(web_with("mode", "monitor # on_limit: drop").settings.on_limit, OnLimit::kReply);
  EXPECT_EQ(web_with("mode", " monitor \n").settings.mode, Mode::kMonitor);
}

TEST(Overlay, ADocumentThatIsNoConfigurationKeepsItsOwnErrors) {
  const Setting any = setting("web", "mode", "monitor");
  for (const std::string yaml : {"rules: 5", "5", "[]", "rules: {}", "{}", ""}) {
    const Result<Config> plain = parse(yaml, "/etc/h.yaml");
    ASSERT_FALSE(plain.has_value());
    EXPECT_EQ(error_with({any}, yaml).message, plain.error().message);
  }
}

std::vector<std::string> texts(const std::vector<Setting>& settings) {
  std::vector<std::string> out;
  for (const Setting& one : settings) out.push_back(one.rule + " " + one.key + "=" + one.value);
  return out;
}

TEST(Overlay, PutReplacesWhatBecomesPointless) {
  std::vector<Setting> settings;
  const auto put = [&](const std::string& key, const std::string& value) {
    put_setting(settings, setting("web", key, value));
    return texts(settings);
  };
  using testing::ElementsAre;
  put_setting(settings, setting("mail", "penalty.after", "1"));
  put("penalty.after", "1");
  EXPECT_THAT(put("penalty.after", "2"),
              ElementsAre("mail penalty.after=1", "web penalty.after=2"));
  EXPECT_THAT(put("penalty", "off"), ElementsAre("mail penalty.after=1", "web penalty=off"));
  // What stands below comes on top of the whole.
  EXPECT_THAT(put("penalty.after", "3"),
              ElementsAre("mail penalty.after=1", "web penalty=off", "web penalty.after=3"));
  EXPECT_EQ(put("penalty", "off").size(), 2U);
  // A longer name is not a key below.
  put("connections.total", "1");
  EXPECT_EQ(put("connections.tot", "1").size(), 4U);
}

TEST(Overlay, PutKnowsThatReplyAndOnLimitGoTogether) {
  std::vector<Setting> settings;
  const auto put = [&](const std::string& key, const std::string& value) {
    put_setting(settings, setting("web", key, value));
    return texts(settings);
  };
  using testing::ElementsAre;
  put("on_limit", "drop");
  EXPECT_THAT(put("reply.raw", "x"), ElementsAre("web reply.raw=x"));
  EXPECT_THAT(put("on_limit", "reply"), ElementsAre("web reply.raw=x", "web on_limit=reply"));
  EXPECT_THAT(put("on_limit", "reset"), ElementsAre("web on_limit=reset"));
}

// Each key and text of a flattened rule is a setting that gives the same rule again.
TEST(Overlay, AFlattenedRuleIsSettings) {
  const std::vector<std::string> bodies = {
      "",
      "    listen: ['443', '[2001:db8::1]:80-90', '10.0.0.0/8:1']\n",
      "    listen: [{ unit: 'a@\\x2d:1.service' }, { cgroup: 'x y/é: {}, #\"\\' }, 443]\n",
      "    connections: { per_client: 0, per_network: 7, total: 9, reserve: 3 }\n",
      "    new_connections: { per_client: 1/h, per_network: { rate: 7/m, burst: 1000000 }, total: "
      "1000000/s }\n",
      "    penalty: { after: 7, within: 90s, deny_for: 25h, grow: 3, at_most: 365d }\n",
      "    on_limit: reply\n    reply: { raw: \"a\\0b\\\"c\\\\\\r\\n: {}é\" }\n    mode: monitor\n",
      "    on_limit: reply\n    reply: postgresql\n    count_half_open: all\n",
      "    on_limit: drop\n    on_table_full: refuse\n    client_prefix: { ipv4: 9, ipv6: 33 }\n",
  };
  for (const std::string& body : bodies) {
    SCOPED_TRACE(body);
    const std::string start = "rules:\n  - name: web\n";
    const std::string listen = body.find("listen") == std::string::npos ? "    listen: 443\n" : "";
    const Rule rule = parse_good(start + listen + body).rules.at(0);
    const auto flat = flatten(rule);
    std::vector<Setting> settings;
    for (const auto& [key, value] : flat) settings.push_back(setting("web", key, value));
    const Config again = parse_good("rules: [{ name: web, listen: 1 }]", settings);
    EXPECT_EQ(flatten(again.rules.at(0)), flat);
    EXPECT_EQ(again.rules.at(0).settings.reply, rule.settings.reply);
    EXPECT_EQ(again.rules.at(0).penalty, rule.penalty);
  }
}

}  // namespace
}  // namespace headgate::config
