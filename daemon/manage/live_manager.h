// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/pin_directory.h"
#include "daemon/manage/deny_book.h"
#include "daemon/manage/front_follower.h"
#include "daemon/manage/group_finder.h"
#include "daemon/manage/manager.h"
#include "daemon/manage/namespace_follower.h"
#include "daemon/manage/quota_penalties.h"
#include "daemon/manage/refusal_sockets.h"
#include "daemon/manage/source.h"
#include "daemon/reply/reply_server.h"

namespace headgate::manage {

// The Manager of the running daemon.
class LiveManager final : public Manager {
 public:
  // Takes over what is pinned there, or begins anew, and puts the source in force. `on_loaded` is
  // called when the kernel has all, before any thread is started; its error ends the start.
  static Result<std::unique_ptr<LiveManager>> start(Source source, kernel::PinDirectory pins,
                                                    std::shared_ptr<const kernel::Cgroup> cgroup,
                                                    const std::function<Result<void>()>& on_loaded);
  ~LiveManager() override;

  Result<ReloadReport> reload() override;
  Result<ReloadReport> set(const config::Setting& setting, bool persist) override;
  Result<ReloadReport> unset(const std::string& rule, const std::string& key,
                             bool persist) override;
  Result<Difference> diff() const override;
  Result<DenyReport> deny_add(const std::vector<DenyEntry>& entries, bool evict) override;
  // Denies a client, unless it is denied for as long already; one that is denied for less stays so
  // for longer, and otherwise as it was.
  Result<void> deny_for(const Prefix& client, std::chrono::milliseconds length,
                        const std::string& reason);
  Result<DenyReport> deny_remove(const std::vector<Prefix>& cidrs) override;
  Result<std::vector<DenyListed>> deny_list() const override;
  Result<EvictReport> evict(const Prefix& cidr, const std::string& rule, bool only_excess) override;
  Result<VerifyReport> verify(bool repair) override;
  Result<Explanation> explain(const IpAddress& client, const Target& target) const override;
  Result<observe::Snapshot> snapshot() const override;
  Result<std::vector<observe::ClientSnapshot>> clients(
      const observe::ClientQuery& query) const override;
  ReloadStatus reload_status() const override;
  quota::Engine& quotas() override { return quotas_; }
  observe::EventHub& events() override { return hub_; }

  // Called after each reload, `set` and `unset`, good or bad, by the thread that has made it. To be
  // set before there are other threads.
  void on_change(std::function<void()> tell) { on_change_ = std::move(tell); }

  // As reload(), but does nothing when the files say what they said last. None: they do.
  Result<std::optional<ReloadReport>> reload_if_changed();

  // The name of a rule, also of one that went with the last change; "?" if it is not known.
  std::string rule_name(policy::RuleId id) const;
  // Call it about once a second: forgets what has expired.
  void tick();
  // Call it about once a second, where it may take its time: follows network namespaces, groups
  // of processes and network interfaces that come and go.
  void follow_host();
  // Call it about once a minute, there: verify(), and what is to be said about it.
  void check_counts();
  config::Config config() const { return in_force()->config; }
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
  Result<policy::Policy> compile(const Source& source) const;
  Result<ReloadReport> put_in_force(Source next, policy::Policy policy, Clock::time_point begin);
  Result<ReloadReport> put_settings(Source next, bool persist);
  Result<void> begin(const config::Config& config);
  void want_fronts(const config::Xdp& xdp);
  static void complain(std::string& last, const Result<void>& done);
  Result<void> follow_groups();
  Result<void> follow(const DenyBook::Orders& orders);
  Result<DenyReport> add_denials(const std::vector<DenyEntry>& entries, const Clocks& now);
  Result<EvictReport> close(const std::vector<hg_live>& connections);
  void note_reload(const Result<ReloadReport>& report);
  Result<hg_explanation> ask(const IpAddress& client, const Target& target,
                             const InForce& now) const;
  Result<std::uint64_t> find_netns(const std::string& name) const;
  std::chrono::seconds when_again(const reply::Refused& refused) const;

  std::unique_ptr<kernel::Limiter> limiter_;
  observe::EventHub hub_;
  std::function<void()> on_change_ = [] {};

  mutable std::mutex changes_;  // held for as long as a change takes; guards what follows
  Source source_;
  DenyBook deny_book_;
  std::int64_t wall_clock_offset_ns_ = 0;     // wall clock less boot clock
  bool must_resync_ = false;                  // map `denied` may not say what the book says
  bool must_rekey_ = false;                   // connections have to be counted anew
  std::atomic<std::size_t> denied_count_{0};  // entries of the book
  mutable std::mutex book_;                   // guards deny_book_; held for an instant
  NamespaceFollower namespaces_;
  std::string namespace_complaint_;  // said last: not again every second
  std::string group_complaint_;
  GroupFinder group_finder_;
  FrontFollower fronts_;

  mutable std::mutex pointers_;  // held for an instant; guards what follows
  std::shared_ptr<const InForce> in_force_;
  ReloadStatus reload_status_;
  std::map<std::string, std::uint64_t> count_drift_;  // by rule, as the last check found it

  quota::Engine quotas_;
  std::unique_ptr<QuotaPenalties> quota_penalties_;  // after a change has begun it asks for another

  std::unique_ptr<reply::ReplyServer> replies_;  // asks the limiter: gone before it
  std::unique_ptr<RefusalSockets> sockets_;      // guarded by changes_
};

}  // namespace headgate::manage
