// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/parse.h"

#include <algorithm>

#include "daemon/config/document.h"
#include "daemon/config/error.h"
#include "daemon/config/listen.h"
#include "daemon/config/overlay.h"
#include "daemon/config/path.h"
#include "daemon/config/readers.h"
#include "daemon/config/settings_file.h"
#include "daemon/config/text.h"
#include "daemon/config/value.h"

namespace headgate::config {
namespace {

constexpr std::string_view kMinimalConfig =
    "rules: [{ name: web, listen: [443], connections: { per_client: 100 } }]";

// Sizes that the kernel accepts. An LRU table gives way too early when it is small.
constexpr std::uint32_t kMinConnections = 2;
constexpr std::uint32_t kMinEntries = 1;
constexpr std::uint32_t kMinLruEntries = 1024;
constexpr std::uint32_t kMaxEntries = 16'777'216;
constexpr std::uint32_t kMaxReplies = 16'384;

constexpr std::size_t kMaxPinDirBytes = 199;  // leaves room for what stands below it

Field table_field(std::string_view key, std::uint32_t& to, std::uint32_t least,
                  std::uint32_t most = kMaxEntries) {
  return {key, [&to, least, most](const Value& v) { return store(to, v.integer(least, most)); }};
}

Result<void> read_tables(const Value& value, TableSizes& into) {
  return read_map(value, value.name(),
                  {table_field("connections", into.connections, kMinConnections),
                   table_field("clients", into.clients, kMinEntries),
                   table_field("recent", into.recent, kMinLruEntries),
                   table_field("penalties", into.penalties, kMinLruEntries),
                   table_field("denied", into.denied, kMinEntries),
                   table_field("namespaces", into.namespaces, kMinEntries, kMaxNamespaces)});
}

Result<void> read_pin_dir(const Value& value, std::string& into) {
  const std::string example = quote(into);  // the default
  Result<std::string> path = value.absolute_path(kMaxPinDirBytes);
  if (!path) return tl::unexpected(std::move(path).error());
  if (path->find('.') != std::string::npos) {
    return value.fail("'pin_dir' is " + quote(*path) +
                      ", but bpffs reserves names with '.'; a path without dots such as " +
                      example + " would be right");
  }
  const std::string plain = "/" + plain_path(*path);
  if (plain == "/") return value.fail_expecting("a directory below it such as " + example);
  if (plain != *path) return value.fail_expecting(quote(plain));
  into = *std::move(path);
  return {};
}

// A map with one key.
Field section(std::string_view name, std::string_view key,
              std::function<Result<void>(const Value&)> read) {
  return {name, [name, field = Field{key, std::move(read)}](const Value& value) {
            return read_map(value, name, {field});
          }};
}

// `defaults` comes first because the rules start from it, wherever it stands in the file.
std::vector<Field> config_fields(Config& into, DraftSettings& defaults) {
  return {
      {"defaults",
       [&](const Value& value) -> Result<void> {
         const Value map(value.file(), "", value.node());
         Result<void> done = read_map(map, "defaults", setting_fields(defaults));
         return done ? settle_defaults(defaults, map) : done;
       }},
      {"rules", [&](const Value& value) { return read_rules(value, defaults, into.rules); }, true},
      {"clients", [&](const Value& value) { return read_clients(value, into.clients); }},
      {"tables", [&](const Value& value) { return read_tables(value, into.tables); }},
      section("metrics", "listen",
              [&](const Value& v) { return read_endpoint(v, into.metrics_listen); }),
      section("control", "socket",
              [&](const Value& v) {
                return store(into.control_socket, v.absolute_path(kMaxSocketBytes));
              }),
      section("replies", "at_once",
              [&](const Value& v) { return store(into.max_replies, v.integer(1, kMaxReplies)); }),
      section("reload", "watch",
              [&](const Value& v) { return store(into.watch, v.choice(kSwitch)); }),
      {"cgroup",
       [&](const Value& value) {
         return store(into.cgroup, value.absolute_path(kMaxPathBytes, {"auto"}));
       }},
      {"netns", [&](const Value& value) { return read_netns(value, into.netns); }},
      {"share_across_netns",
       [&](const Value& value) { return store(into.netns.share_counts, value.truth()); }},
      {"xdp", [&](const Value& value) { return read_xdp(value, into.xdp); }},
      {"quotas", [&](const Value& value) { return read_quotas(value, into.quotas); }},
      {"pin_dir", [&](const Value& value) { return read_pin_dir(value, into.pin_dir); }},
      {"on_stop", [&](const Value& value) { return store(into.on_stop, value.choice(kOnStop)); }},
  };
}

// The namespaces that are listed need room from the start.
Result<void> check_room(const Value& root, const Config& config) {
  const std::size_t count = config.netns.paths.size();
  const Entry* const netns = find_entry(root.content(), "netns");
  if (netns == nullptr || count <= config.tables.namespaces) return {};
  return root.child("netns", netns->value)
      .fail("'netns' lists " + std::to_string(count) +
            " namespaces, more than 'tables.namespaces', which is " +
            std::to_string(config.tables.namespaces) + "; at least " + std::to_string(count) +
            " there would be right");
}

Result<Config> read_config(const Node& document, const std::string& file) {
  Config config;
  DraftSettings defaults;
  const Value root(file, "", document);
  Result<void> done = read_map(root, "the configuration", config_fields(config, defaults));
  if (done) done = check_room(root, config);
  if (!done) return tl::unexpected(std::move(done).error());
  return config;
}

// What two values make wrong together is found at one of them, which may be the one in the file
// that was right before: then the settings are to blame.
Error blame_settings(Error error, const Node& document, const std::string& file,
                     const std::vector<Setting>& settings,
                     const std::vector<std::string>& origins) {
  const bool names_one =
      std::any_of(origins.begin(), origins.end(),
                  [&](const std::string& origin) { return error.message.starts_with(origin); });
  if (settings.empty() || names_one || !read_config(document, file)) return error;
  const bool just_given = settings.back().position.line == 0;
  const std::string whom =
      just_given ? origins.back() : "with the settings of " + settings_path(file);
  error.message = whom + ": " + error.message;
  return error;
}

}  // namespace

Result<void> read_endpoint(const Value& value, std::optional<std::string>& into) {
  Result<std::string> text = value.text(R"("127.0.0.1:9469" or off)");
  if (!text) return tl::unexpected(std::move(text).error());
  if (*text == kOff) {
    into.reset();
    return {};
  }
  Result<std::string> endpoint = parse_endpoint(*text);
  if (!endpoint) return value.fail("'" + value.name() + "': " + endpoint.error().message);
  into = *std::move(endpoint);
  return {};
}

Result<Node> parse_tree(std::string_view text, const std::string& file, std::string_view minimal) {
  if (text.size() > kMaxFileBytes) {
    return fail_at(file, {1, 1},
                   "the file has " + std::to_string(text.size()) + " bytes; at most " +
                       std::to_string(kMaxFileBytes) + " would be right");
  }
  const Result<void> readable = check_text(text, file);
  if (!readable) return tl::unexpected(readable.error());
  Result<Node> document = parse_document(text, file);
  if (document && document->content->kind == NodeKind::kEmpty) {
    return fail_at(file, document->position,
                   "the file is empty; at least '" + std::string(minimal) + "' would be right");
  }
  return document;
}

Result<Config> parse(std::string_view text, const std::string& file) {
  return parse(text, file, {});
}

Result<Config> parse(std::string_view text, const std::string& file,
                     const std::vector<Setting>& settings) {
  const Result<Node> document = parse_tree(text, file, kMinimalConfig);
  if (!document) return tl::unexpected(document.error());
  if (settings.empty()) return read_config(*document, file);
  std::vector<std::string> origins;
  origins.reserve(settings.size());
  for (const Setting& setting : settings) {
    origins.push_back(origin_of(setting, settings_path(file)));
  }
  const Result<Node> changed = apply_settings(*document, settings, origins);
  if (!changed) return tl::unexpected(changed.error());
  Result<Config> config = read_config(*changed, file);
  if (config) return config;
  return tl::unexpected(
      blame_settings(std::move(config).error(), *document, file, settings, origins));
}

}  // namespace headgate::config
