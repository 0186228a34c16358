// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/live_manager.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "daemon/config/parse.h"
#include "daemon/config/settings_file.h"
#include "daemon/config/warnings.h"

namespace headgate::manage {
namespace {

// The doors are open, and the tables of the domains that are in both are there.
void keep_fixed(const config::Quotas& from, config::Quotas& to) {
  to.socket = from.socket;
  to.grpc_listen = from.grpc_listen;
  to.http_listen = from.http_listen;
  to.tls = from.tls;
  to.max_keys = from.max_keys;
  std::unordered_map<std::string_view, std::optional<std::uint32_t>> max_keys;
  for (const auto& domain : from.domains) max_keys.emplace(domain.name, domain.max_keys);
  for (config::QuotaDomain& domain : to.domains) {
    const auto known = max_keys.find(domain.name);
    if (known != max_keys.end()) domain.max_keys = known->second;
  }
}

// What takes effect only at the next start stays as it was, so that it is still told as pending.
void keep_fixed(const config::Config& from, config::Config& to) {
  to.tables = from.tables;
  to.metrics_listen = from.metrics_listen;
  to.control_socket = from.control_socket;
  to.cgroup = from.cgroup;
  to.netns = from.netns;
  to.watch = from.watch;
  to.max_replies = from.max_replies;
  to.pin_dir = from.pin_dir;
  keep_fixed(from.quotas, to.quotas);
}

bool has_same(const std::vector<config::Setting>& a, const std::vector<config::Setting>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.rule == other.rule && one.key == other.key && one.value == other.value;
  });
}

bool remove_setting(std::vector<config::Setting>& settings, const std::string& rule,
                    const std::string& key) {
  const auto end = std::remove_if(settings.begin(), settings.end(), [&](const auto& setting) {
    return setting.rule == rule && setting.key == key;
  });
  const bool found = end != settings.end();
  settings.erase(end, settings.end());
  return found;
}

}  // namespace

Result<std::unique_ptr<LiveManager>> LiveManager::start(
    Source source, kernel::PinDirectory pins, std::shared_ptr<const kernel::Cgroup> cgroup,
    const std::function<Result<void>()>& on_loaded) {
  std::unique_ptr<LiveManager> manager(new LiveManager);
  const config::Config& config = source.config;
  manager->namespaces_ = NamespaceFollower(config.netns, config.tables.namespaces);
  auto namespaces = manager->namespaces_.open();
  if (!namespaces) return tl::unexpected(namespaces.error());
  const auto compile =
      [&source](const policy::Numbers& former) -> Result<std::shared_ptr<const policy::Policy>> {
    auto policy = policy::compile(source.config, source.path, former);
    if (!policy) return tl::unexpected(policy.error());
    return std::make_shared<const policy::Policy>(*std::move(policy));
  };
  auto limiter = kernel::Limiter::start(
      std::move(pins),
      {config.tables, config.max_replies, config.netns.share_counts, std::move(cgroup)},
      *namespaces, compile, [&finder = manager->group_finder_](const policy::Policy& policy) {
        return finder.find(policy);
      });
  if (!limiter) return tl::unexpected(limiter.error());
  manager->limiter_ = std::make_unique<kernel::Limiter>(std::move(*limiter));
  manager->namespaces_.begin(*manager->limiter_);
  manager->in_force_ =
      std::make_shared<const InForce>(InForce{config, manager->limiter_->policy(), nullptr});
  // Before privileges are given up: what is wanted no more is taken off.
  manager->want_fronts(config.xdp);
  Result<void> begun = on_loaded();
  if (begun) begun = manager->begin(config);
  if (!begun) {
    // What was in force before cannot be put back, but what was not there must not stay.
    if (manager->limiter_->is_first()) (void)manager->limiter_->detach();
    return tl::unexpected(begun.error());
  }
  const Clocks now = Clocks::now();
  manager->wall_clock_offset_ns_ = now.wall_clock_offset_ns();
  manager->source_ = std::move(source);
  manager->reload_status_ = {manager->limiter_->generation(), true, now.wall, {}};
  return manager;
}

// All that a start has to do once the kernel has the policy.
Result<void> LiveManager::begin(const config::Config& config) {
  const auto denials = limiter_->denials();
  if (!denials) return tl::unexpected(denials.error());
  deny_book_.restore(*denials, Clocks::now());
  denied_count_ = denials->size();
  limiter_->set_any_denied(!denials->empty(), deny_book_.has_hard());
  auto replies = reply::ReplyServer::start(
      config.max_replies, [this](const reply::Refused& refused) { return when_again(refused); });
  if (!replies) return tl::unexpected(replies.error());
  replies_ = std::make_unique<reply::ReplyServer>(std::move(*replies));
  sockets_ = std::make_unique<RefusalSockets>(*limiter_, *replies_);
  sockets_->open(*in_force_->policy, RefusalSockets::Retry::kAtOnce);
  complain(group_complaint_, follow_groups());
  return {};
}

void LiveManager::want_fronts(const config::Xdp& xdp) {
  limiter_->set_syn_cookies(xdp.syn_cookies);
  fronts_.want(xdp);
  fronts_.follow(*limiter_);
}

LiveManager::~LiveManager() {
  hub_.close();
}

std::shared_ptr<const LiveManager::InForce> LiveManager::in_force() const {
  const std::lock_guard lock(pointers_);
  return in_force_;
}

std::string LiveManager::rule_name(policy::RuleId id) const {
  const auto now = in_force();
  for (const auto& policy : {now->policy, now->former}) {
    if (!policy) continue;
    const auto rule = policy->rules.find(id);
    if (rule != policy->rules.end()) return rule->second.name;
  }
  return "?";
}

// Changes. The caller of the private ones holds changes_.

Result<ReloadReport> LiveManager::put_in_force(Source next, policy::Policy policy,
                                               Clock::time_point begin) {
  const auto now = in_force();
  ReloadReport report;
  report.changes = config::difference(now->config, next.config);
  keep_fixed(now->config, next.config);
  const auto compiled = std::make_shared<const policy::Policy>(std::move(policy));
  sockets_->open(*compiled, RefusalSockets::Retry::kAtOnce);
  const auto changed = limiter_->change(compiled);
  if (!changed) {
    sockets_->close_unused(*now->policy);
    return tl::unexpected(changed.error());
  }
  if (changed->rekey_error) must_rekey_ = true;
  {
    const std::lock_guard lock(pointers_);
    in_force_ = std::make_shared<const InForce>(InForce{next.config, compiled, now->policy});
  }
  sockets_->close_unused(*compiled);
  complain(group_complaint_, follow_groups());
  want_fronts(next.config.xdp);
  source_ = std::move(next);
  report.generation = changed->generation;
  report.rekeyed = changed->rekeyed;
  report.warnings = config::warnings(source_.config, source_.path);
  for (const std::vector<std::string>& missing : {sockets_->missing(), fronts_.missing()}) {
    report.warnings.insert(report.warnings.end(), missing.begin(), missing.end());
  }
  report.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  return report;
}

void LiveManager::note_reload(const Result<ReloadReport>& report) {
  observe::Event event;
  event.time = std::chrono::system_clock::now();
  event.kind = report ? "reload" : "reload_failed";
  event.text = report ? "generation " + std::to_string(report->generation) + ", " +
                            std::to_string(report->changes.size()) + " changes"
                      : report.error().to_string();
  {
    const std::lock_guard lock(pointers_);
    reload_status_ = {limiter_->generation(), report.has_value(), event.time,
                      report ? std::string() : report.error().to_string()};
  }
  hub_.publish(event);
  on_change_();
}

Result<ReloadReport> LiveManager::reload() {
  const std::lock_guard lock(changes_);
  const auto begin = Clock::now();
  return reload_from(Source::load(source_.path), begin);
}

Result<std::optional<ReloadReport>> LiveManager::reload_if_changed() {
  const std::lock_guard lock(changes_);
  const auto begin = Clock::now();
  auto source = Source::load(source_.path);
  if (source && reload_status().was_good && source->text == source_.text &&
      source->rule_files == source_.rule_files &&
      has_same(source->persistent, source_.persistent)) {
    return std::nullopt;
  }
  return reload_from(std::move(source), begin);
}

Result<ReloadReport> LiveManager::reload_from(Result<Source> source, Clock::time_point begin) {
  auto report = source.and_then([&](Source& next) -> Result<ReloadReport> {
    auto policy = compile(next);
    if (!policy) return tl::unexpected(policy.error());
    return put_in_force(std::move(next), *std::move(policy), begin);
  });
  note_reload(report);
  return report;
}

Result<policy::Policy> LiveManager::compile(const Source& source) const {
  return policy::compile(source.config, source.path, in_force()->policy->numbers);
}

Result<ReloadReport> LiveManager::set(const config::Setting& setting, bool persist) {
  const std::lock_guard lock(changes_);
  Source next = source_;
  config::put_setting(persist ? next.persistent : next.transient, setting);
  // A later `set` without persist must not hide the value that is to stay.
  if (persist) remove_setting(next.transient, setting.rule, setting.key);
  return put_settings(std::move(next), persist);
}

Result<ReloadReport> LiveManager::unset(const std::string& rule, const std::string& key,
                                        bool persist) {
  const std::lock_guard lock(changes_);
  Source next = source_;
  const bool was_transient = remove_setting(next.transient, rule, key);
  const bool was_persistent = persist && remove_setting(next.persistent, rule, key);
  if (!was_transient && !was_persistent) {
    return fail(ErrorCode::kNotFound, "'" + key + "' of rule '" + rule + "' is not set" +
                                          (persist ? "" : " (or only with --persist)") +
                                          "; see headgatectl diff");
  }
  return put_settings(std::move(next), was_persistent);
}

// Reads the settings into the configuration and puts it in force. The set file first: what cannot
// be kept is not put in force. If it cannot be put in force, the file is as before.
Result<ReloadReport> LiveManager::put_settings(Source next, bool persist) {
  const auto begin = Clock::now();
  auto parsed = next.parse();
  if (!parsed) return tl::unexpected(parsed.error());
  auto policy = compile(next);
  if (!policy) return tl::unexpected(policy.error());
  const std::string file = config::settings_path(next.path);
  const std::vector<config::Setting> former = source_.persistent;
  if (persist) {
    if (auto saved = config::save_settings(file, next.persistent); !saved) {
      return tl::unexpected(saved.error());
    }
  }
  Result<ReloadReport> report = put_in_force(std::move(next), *std::move(policy), begin);
  if (!report && persist) {
    if (auto restored = config::save_settings(file, former); !restored) {
      return fail("cannot put in force, nor take back " + file, report.error());
    }
  }
  note_reload(report);
  return report;
}

Result<Manager::Difference> LiveManager::diff() const {
  const std::lock_guard lock(changes_);
  auto on_disk = config::load(source_.path, {});
  if (!on_disk) return tl::unexpected(on_disk.error());
  return Difference{config::difference(*on_disk, source_.config), source_.persistent,
                    source_.transient};
}

}  // namespace headgate::manage
