// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/kernel/limiter.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/socket_killer.h"
#include "daemon/manage/deny_book.h"
#include "daemon/manage/manager.h"
#include "daemon/manage/source.h"
#include "daemon/reply/reply_server.h"

namespace headgate::manage {

// The Manager of the running daemon.
class LiveManager final : public Manager {
 public:
  // Puts the source in force.
  static Result<std::unique_ptr<LiveManager>> start(
      Source source, std::shared_ptr<const kernel::NetworkNamespace> netns,
      const kernel::Cgroup& cgroup);
  ~LiveManager() override;

  Result<ReloadReport> reload() override;
  Result<ReloadReport> set(const config::Setting& setting, bool persist) override;
  Result<ReloadReport> unset(const std::string& rule, const std::string& key,
                             bool persist) override;
  Result<Difference> diff() const override;
  Result<DenyReport> deny_add(const std::vector<DenyEntry>& entries, bool evict) override;
  Result<DenyReport> deny_remove(const std::vector<Prefix>& cidrs) override;
  Result<std::vector<DenyListed>> deny_list() const override;
  Result<EvictReport> evict(const Prefix& cidr, const std::string& rule, bool only_excess) override;
  Result<Explanation> explain(const IpAddress& client, const Target& target) const override;
  Result<observe::Snapshot> snapshot() const override;
  Result<std::vector<observe::ClientSnapshot>> clients(
      const observe::ClientQuery& query) const override;
  ReloadStatus reload_status() const override;
  observe::EventHub& events() override { return hub_; }

  // As reload(), but does nothing when the files say what they said last. None: they do.
  Result<std::optional<ReloadReport>> reload_if_changed();

  // The name of a rule, also of one that went with the last change; "?" if it is not known.
  std::string rule_name(policy::RuleId id) const;
  // Call it about once a second: forgets what has expired.
  void tick();
  // For the thread that carries out events.
  kernel::Limiter& limiter() { return *limiter_; }

 private:
  using Clock = std::chrono::steady_clock;

  // What belongs together: readers take both or neither.
  struct InForce {
    config::Config config;
    std::shared_ptr<const policy::Policy> policy;
    std::shared_ptr<const policy::Policy> former;
  };

  LiveManager() = default;
  std::shared_ptr<const InForce> in_force() const;
  Result<ReloadReport> reload_from(Result<Source> source, Clock::time_point begin);
  Result<ReloadReport> put_in_force(Source next);
  Result<ReloadReport> put_settings(Source next, bool persist);
  Result<void> open_replies(const policy::Policy& policy);
  void close_replies(const policy::Policy& policy);
  Result<void> follow(const DenyBook::Orders& orders);
  Result<EvictReport> close(const std::vector<hg_live>& connections);
  void note_reload(const Result<ReloadReport>& report);
  Result<hg_explanation> ask(const IpAddress& client, const Target& target,
                             const InForce& now) const;
  std::chrono::seconds when_again(const reply::Refused& refused) const;

  std::shared_ptr<const kernel::NetworkNamespace> netns_;
  std::unique_ptr<kernel::Limiter> limiter_;
  observe::EventHub hub_;

  mutable std::mutex changes_;  // held for as long as a change takes; guards what follows
  Source source_;
  DenyBook deny_book_;
  std::int64_t wall_clock_offset_ns_ = 0;     // wall clock less boot clock
  bool must_resync_ = false;                  // map `denied` may not say what the book says
  bool must_rekey_ = false;                   // connections have to be counted anew
  std::atomic<std::size_t> denied_count_{0};  // entries of the book
  mutable std::mutex book_;                   // guards deny_book_; held for an instant
  std::unique_ptr<kernel::SocketKiller> killer_;
  std::vector<std::uint32_t> open_replies_;

  mutable std::mutex pointers_;  // held for an instant; guards what follows
  std::shared_ptr<const InForce> in_force_;
  ReloadStatus reload_status_;

  std::unique_ptr<reply::ReplyServer> replies_;  // asks the limiter: gone before it
};

}  // namespace headgate::manage
