// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/readers.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

// Reads { ipv4: …, ipv6: … }; says which of them were there.
struct WrittenLengths {
  bool ipv4 = false;
  bool ipv6 = false;
};

Result<WrittenLengths> read_lengths(const Value& value, PrefixLengths& into) {
  WrittenLengths written;
  const auto read = [](std::uint8_t& length, bool& is_written, std::uint32_t longest) {
    return [&length, &is_written, longest](const Value& v) {
      is_written = true;
      return store(length, v.integer(0, longest));
    };
  };
  Result<void> done = read_map(
      value, value.name(),
      {{"ipv4", read(into.ipv4, written.ipv4, 32)}, {"ipv6", read(into.ipv6, written.ipv6, 128)}});
  if (!done) return tl::unexpected(std::move(done).error());
  return written;
}

Result<void> read_network_prefix(const Value& value, DraftSettings& into) {
  const Result<WrittenLengths> written = read_lengths(value, into.values.network_prefix);
  if (!written) return tl::unexpected(written.error());
  into.network_prefix_ipv4_set |= written->ipv4;
  into.network_prefix_ipv6_set |= written->ipv6;
  return {};
}

Result<void> read_raw(const Value& value, std::string& into) {
  const std::string expected =
      "text of 1 to " + std::to_string(kMaxRawReplyBytes) + R"( bytes such as "busy\r\n")";
  Result<std::string> text = value.text(expected);
  if (text && text->size() > kMaxRawReplyBytes) return value.fail_expecting(expected);
  return store(into, std::move(text));
}

Result<void> read_reply(const Value& value, std::optional<Reply>& into) {
  Reply reply;
  Result<void> done;
  if (value.content().kind == NodeKind::kMap) {
    reply.kind = ReplyKind::kRaw;
    done = read_map(value, "reply",
                    {{"raw", [&](const Value& v) { return read_raw(v, reply.raw); }, true}});
  } else {
    done = store(reply.kind, value.choice(kReplyKinds, R"( or { raw: "…" })"));
  }
  if (!done) return done;
  into = std::move(reply);
  return {};
}

// Where to point at when two settings of one map disagree: at the first of `keys` that is there,
// else at the map itself.
Value blame(const Value& map, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (const Entry* const entry = find_entry(map.content(), key)) {
      return map.child(key, entry->value);
    }
  }
  return map;
}

// A network is never narrower than a client of it: our own default gives way, a written length is
// an error.
Result<void> settle_network(std::uint8_t& network, std::uint8_t client, bool is_written,
                            std::string_view family, const Value& map) {
  if (network <= client) return {};
  if (!is_written) {
    network = client;
    return {};
  }
  const std::string name(family);
  return blame(map, {"network_prefix", "client_prefix"})
      .fail("'network_prefix." + name + "' is " + std::to_string(network) +
            ", longer than 'client_prefix." + name + "', which is " + std::to_string(client) +
            "; at most " + std::to_string(client) + " would be right");
}

Result<void> settle_networks(RuleSettings& values, const DraftSettings& draft, const Value& map) {
  Result<void> ipv4 = settle_network(values.network_prefix.ipv4, values.client_prefix.ipv4,
                                     draft.network_prefix_ipv4_set, "ipv4", map);
  if (!ipv4) return ipv4;
  return settle_network(values.network_prefix.ipv6, values.client_prefix.ipv6,
                        draft.network_prefix_ipv6_set, "ipv6", map);
}

}  // namespace

std::vector<Field> setting_fields(DraftSettings& into) {
  RuleSettings& values = into.values;
  return {
      {"client_prefix",
       [&](const Value& value) -> Result<void> {
         const Result<WrittenLengths> written = read_lengths(value, values.client_prefix);
         if (!written) return tl::unexpected(written.error());
         return {};
       }},
      {"network_prefix", [&](const Value& value) { return read_network_prefix(value, into); }},
      {"mode", [&](const Value& value) { return store(values.mode, value.choice(kModes)); }},
      {"handshake_timeout",
       [&](const Value& value) {
         return store(values.handshake_timeout, value.duration(100ms, 1h));
       }},
      {"count_half_open",
       [&](const Value& value) {
         return store(values.count_half_open, value.choice(kCountHalfOpen));
       }},
      {"on_limit",
       [&](const Value& value) { return store(values.on_limit, value.choice(kOnLimit)); }},
      {"reply", [&](const Value& value) { return read_reply(value, into.reply); }},
      {"on_table_full",
       [&](const Value& value) { return store(values.on_table_full, value.choice(kOnTableFull)); }},
  };
}

Result<RuleSettings> settle(const DraftSettings& draft, const Value& map) {
  RuleSettings values = draft.values;
  Result<void> networks = settle_networks(values, draft, map);
  if (!networks) return tl::unexpected(std::move(networks).error());
  const bool replies = values.on_limit == OnLimit::kReply;
  if (replies && !draft.reply) {
    return blame(map, {"on_limit"})
        .fail(
            "'on_limit' is 'reply' but no 'reply' says with what; 'reply: http-429' or another "
            "kind beside it would be right");
  }
  if (!replies && find_entry(map.content(), "reply") != nullptr) {
    return blame(map, {"reply"})
        .fail("'reply' has no effect while 'on_limit' is '" +
              std::string(word_for(kOnLimit, values.on_limit)) +
              "'; 'on_limit: reply' beside it would be right");
  }
  if (replies) values.reply = draft.reply;
  return values;
}

Result<void> settle_defaults(DraftSettings& draft, const Value& map) {
  RuleSettings values = draft.values;  // what gives way here is decided anew for each rule
  return settle_networks(values, draft, map);
}

}  // namespace headgate::config
