// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/manage/manager.h"

namespace headgate::control {

// A manager that answers what a test tells it to, and remembers what it was asked.
class FakeManager final : public manage::Manager {
 public:
  // What changes and lists answer.
  Result<manage::ReloadReport> report;
  Result<manage::DenyReport> deny_report;
  Result<manage::EvictReport> evict_report;
  Result<manage::VerifyReport> verify_report;
  Result<manage::Explanation> explanation;
  Result<Difference> difference;
  Result<std::vector<observe::ClientSnapshot>> some_clients;
  observe::Snapshot state;
  manage::ReloadStatus last_reload;
  std::function<void()> before_change;  // may block
  observe::EventHub hub;
  quota::Engine engine;

  // What was asked; read it once the call has returned.
  std::vector<manage::DenyEntry> added;
  std::vector<Prefix> removed;
  std::vector<std::string> calls;
  observe::ClientQuery query;
  std::atomic<int> changes = 0;

  Result<manage::ReloadReport> reload() override { return change("reload", report); }
  Result<manage::ReloadReport> set(const config::Setting& setting, bool persist) override {
    return change("set " + setting.rule + " " + setting.key + "=" + setting.value + with(persist),
                  report);
  }
  Result<manage::ReloadReport> unset(const std::string& rule, const std::string& key,
                                     bool persist) override {
    return change("unset " + rule + " " + key + with(persist), report);
  }
  Result<Difference> diff() const override { return difference; }
  Result<manage::DenyReport> deny_add(const std::vector<manage::DenyEntry>& entries,
                                      bool evict) override {
    added = entries;
    return change(evict ? "deny_add evict" : "deny_add", deny_report);
  }
  Result<manage::DenyReport> deny_remove(const std::vector<Prefix>& cidrs) override {
    removed = cidrs;
    return change("deny_remove", deny_report);
  }
  // Also while callers are being answered.
  void list(Result<std::vector<manage::DenyListed>> listed) {
    const std::lock_guard lock(list_lock_);
    listed_ = std::move(listed);
  }
  Result<std::vector<manage::DenyListed>> deny_list() const override {
    const std::lock_guard lock(list_lock_);
    return listed_;
  }
  Result<manage::EvictReport> evict(const Prefix& cidr, const std::string& rule,
                                    bool only_excess) override {
    return change("evict " + cidr.to_string() + " '" + rule + "'" + (only_excess ? " excess" : ""),
                  evict_report);
  }
  Result<manage::VerifyReport> verify(bool repair) override {
    return change(repair ? "verify repair" : "verify", verify_report);
  }
  Result<manage::Explanation> explain(const IpAddress& client,
                                      const manage::Target& target) const override {
    if (!explanation) return explanation;
    auto answer = explanation;
    answer->client = client.to_string();
    answer->rule = target.rule;
    if (target.port) answer->rule = "of port " + std::to_string(*target.port);
    if (target.server) answer->rule += " at " + target.server->to_string();
    if (!target.netns.empty()) answer->rule += " in " + target.netns;
    return answer;
  }
  Result<observe::Snapshot> snapshot() const override { return state; }
  Result<std::vector<observe::ClientSnapshot>> clients(
      const observe::ClientQuery& wanted) const override {
    const_cast<FakeManager*>(this)->query = wanted;
    return some_clients;
  }
  manage::ReloadStatus reload_status() const override { return last_reload; }
  quota::Engine& quotas() override { return engine; }
  observe::EventHub& events() override { return hub; }

 private:
  template <typename T>
  T change(const std::string& call, const T& answer) {
    ++changes;
    if (before_change) before_change();
    calls.push_back(call);
    return answer;
  }
  static std::string with(bool persist) { return persist ? " persist" : ""; }

  mutable std::mutex list_lock_;
  Result<std::vector<manage::DenyListed>> listed_;
};

}  // namespace headgate::control
