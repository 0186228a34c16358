// SPDX-License-Identifier: Apache-2.0
#include "daemon/app.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include <prometheus/exposer.h>
#include <spdlog/spdlog.h>

#include "common/version.h"
#include "daemon/control/server.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/socket_killer.h"
#include "daemon/observe/event_text.h"
#include "daemon/observe/metrics.h"
#include "daemon/observe/snapshot.h"
#include "daemon/runtime/event_loop.h"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
constexpr std::size_t kMetricsThreads = 2;
constexpr std::size_t kLoggedAtOnce = 1000;  // events; a flood of them must not fill a disk

// Binds the address of the metrics page, so that a taken port is known before anything is enforced.
Result<std::unique_ptr<prometheus::Exposer>> open_metrics(const config::Config& config) {
  if (!config.metrics_listen) return nullptr;
  try {
    return std::make_unique<prometheus::Exposer>(*config.metrics_listen, kMetricsThreads);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kUnavailable, "cannot serve metrics on " + *config.metrics_listen +
                                             " (" + error.what() +
                                             "); is the port taken? See metrics.listen");
  }
}

std::string count_of_rules(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " rule" : " rules");
}

// Carries out the kernel's events: logs each, and destroys the sockets beyond a limit.
class EventHandler {
 public:
  EventHandler(const policy::Policy& policy, kernel::Limiter& limiter, kernel::SocketKiller killer)
      : policy_(policy), limiter_(limiter), killer_(std::move(killer)) {}

  void drain() {
    std::vector<hg_event> events;
    const auto done =
        limiter_.poll_events([&events](const hg_event& event) { events.push_back(event); });
    if (!done) spdlog::error("{}", done.error().to_string());
    handle(events);
  }

  // Overshoot events that were lost left connections open beyond a limit: finds and closes them.
  void make_up_for_losses() {
    const auto losses = limiter_.losses();
    if (!losses || losses->lost == lost_) return;
    spdlog::warn("{} events were lost: looking for connections beyond a limit",
                 losses->lost - lost_);
    lost_ = losses->lost;
    close_overshoot();
  }

  // Tries again to close what could not be closed or found.
  void retry() {
    if (has_failed_) close_overshoot();
  }

 private:
  void close_overshoot() {
    const auto found = limiter_.find_overshoot();
    has_failed_ = !found;
    if (found) {
      handle(*found);
    } else {
      spdlog::error("{}", found.error().to_string());
    }
  }

  // First closes what has to be closed, then writes to the log, which may block.
  void handle(const std::vector<hg_event>& events) {
    for (const hg_event& event : events) {
      if (event.type == HG_EVENT_OVERSHOOT) destroy(event);
    }
    for (std::size_t i = 0; i < std::min(events.size(), kLoggedAtOnce); ++i) log(events[i]);
    if (events.size() > kLoggedAtOnce) {
      spdlog::info("and {} more events, not logged", events.size() - kLoggedAtOnce);
    }
  }

  void log(const hg_event& event) const {
    const auto rule = policy_.rules.find(event.rule);
    const std::string line =
        observe::to_log_line(event, rule == policy_.rules.end() ? "?" : rule->second.name);
    spdlog::log(event.type == HG_EVENT_TABLE_FULL ? spdlog::level::warn : spdlog::level::info, "{}",
                line);
  }

  void destroy(const hg_event& event) {
    const auto destroyed = killer_.destroy(event);
    if (destroyed) return;
    spdlog::error("cannot close a connection beyond a limit, will try again: {}",
                  destroyed.error().to_string());
    has_failed_ = true;
  }

  const policy::Policy& policy_;
  kernel::Limiter& limiter_;
  kernel::SocketKiller killer_;
  std::uint64_t lost_ = 0;
  bool has_failed_ = false;  // a connection beyond a limit may still be open
};

}  // namespace

Result<void> run_daemon(const config::Config& config, const policy::Policy& policy,
                        const std::string& config_file) {
  const auto start_time = std::chrono::system_clock::now();
  auto signals = runtime::StopSignals::block();
  if (!signals) return tl::unexpected(signals.error());
  auto netns = kernel::NetworkNamespace::open(config.netns);
  if (!netns) return tl::unexpected(netns.error());
  auto cgroup = kernel::open_cgroup(config.cgroup);
  if (!cgroup) return tl::unexpected(cgroup.error());
  auto killer = kernel::SocketKiller::open(*netns);
  if (!killer) return tl::unexpected(killer.error());
  if (auto prepared = control::prepare_socket_path(config.control_socket); !prepared) {
    return tl::unexpected(prepared.error());
  }
  auto metrics = open_metrics(config);
  if (!metrics) return tl::unexpected(metrics.error());

  auto limiter = kernel::Limiter::start(
      policy, config.tables, std::make_shared<const kernel::NetworkNamespace>(std::move(*netns)),
      *cgroup);
  if (!limiter) return tl::unexpected(limiter.error());

  const observe::Observer observer(config, *limiter);
  auto server =
      control::Server::start(config.control_socket, observer,
                             {kVersion, config_file, cgroup->path, config.netns, start_time});
  if (!server) return tl::unexpected(server.error());
  const auto page =
      std::make_shared<observe::MetricsPage>([&observer] { return observer.snapshot(); }, kVersion);
  if (*metrics) (*metrics)->RegisterCollectable(page);

  spdlog::info("ready: headgated {} enforces {} on cgroup {}, netns {}; metrics {}, control {}",
               kVersion, count_of_rules(config.rules.size()), cgroup->path, config.netns,
               config.metrics_listen.value_or("off"), config.control_socket);

  EventHandler events(policy, *limiter, std::move(*killer));
  const auto stopped_by = runtime::run_event_loop(
      *signals, limiter->event_fd(), kTick,
      [&events] {
        events.drain();
        events.make_up_for_losses();
      },
      [&events, &limiter] {
        events.make_up_for_losses();
        events.retry();
        limiter->drop_idle_hooks();
      });
  // The page reads the limiter: no scrape may be under way when the limiter goes.
  metrics->reset();
  if (!stopped_by) return tl::unexpected(stopped_by.error());
  spdlog::info("stopping ({}): the limits are detached, connections stay open",
               strsignal(*stopped_by));
  return {};
}

}  // namespace headgate
