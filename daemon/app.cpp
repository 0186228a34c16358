// SPDX-License-Identifier: Apache-2.0
#include "daemon/app.h"

#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <prometheus/exposer.h>
#include <spdlog/spdlog.h>

#include "common/version.h"
#include "daemon/control/server.h"
#include "daemon/event_handler.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"
#include "daemon/manage/live_manager.h"
#include "daemon/observe/metrics.h"
#include "daemon/runtime/directory_watch.h"
#include "daemon/runtime/event_loop.h"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
constexpr std::size_t kMetricsThreads = 2;

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

// Each caller and each connection that is being answered takes one. The soft limit of 1,024 is for
// programs that use select().
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string count_of_rules(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " rule" : " rules");
}

void log_reload(const Result<manage::ReloadReport>& report) {
  if (!report) {
    spdlog::error("reload failed, the policy is as before: {}", report.error().to_string());
    return;
  }
  for (const config::Change& change : report->changes) {
    spdlog::info("reload: {}", config::to_string(change));
  }
  spdlog::info("reload: generation {} is in force ({} changes, {} connections counted anew, {} us)",
               report->generation, report->changes.size(), report->rekeyed, report->took.count());
}

// Reloads on a thread of its own: connections beyond a limit are closed meanwhile. Of what is asked
// for while one is under way, one more is done.
class Reloader {
 public:
  explicit Reloader(manage::LiveManager& manager) : manager_(manager), thread_([this] { run(); }) {}
  ~Reloader() {
    {
      const std::lock_guard lock(lock_);
      is_ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void reload() { ask(is_reload_wanted_); }
  void reload_if_changed() { ask(is_look_wanted_); }

 private:
  void ask(bool& wanted) {
    {
      const std::lock_guard lock(lock_);
      wanted = true;
    }
    wake_.notify_one();
  }

  void run() {
    std::unique_lock lock(lock_);
    for (;;) {
      wake_.wait(lock, [this] { return is_ending_ || is_reload_wanted_ || is_look_wanted_; });
      if (is_ending_) return;
      const bool is_reload = std::exchange(is_reload_wanted_, false);
      is_look_wanted_ = false;
      lock.unlock();
      if (is_reload) {
        log_reload(manager_.reload());
      } else if (const auto report = manager_.reload_if_changed(); !report) {
        log_reload(tl::unexpected(report.error()));
      } else if (*report) {
        log_reload(**report);
      }
      lock.lock();
    }
  }

  manage::LiveManager& manager_;
  std::mutex lock_;
  std::condition_variable wake_;
  bool is_reload_wanted_ = false;
  bool is_look_wanted_ = false;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace

Result<void> run_daemon(const runtime::Signals& signals, manage::Source source) {
  const auto start_time = std::chrono::system_clock::now();
  const config::Config config = source.config;
  const std::string config_file = source.path;
  raise_file_limit();
  auto opened = kernel::NetworkNamespace::open(config.netns);
  if (!opened) return tl::unexpected(opened.error());
  const auto netns = std::make_shared<const kernel::NetworkNamespace>(std::move(*opened));
  const auto cgroup = kernel::open_cgroup(config.cgroup);
  if (!cgroup) return tl::unexpected(cgroup.error());
  auto killer = kernel::SocketKiller::open(*netns);
  if (!killer) return tl::unexpected(killer.error());
  if (auto prepared = control::prepare_socket_path(config.control_socket); !prepared) {
    return tl::unexpected(prepared.error());
  }
  auto metrics = open_metrics(config);
  if (!metrics) return tl::unexpected(metrics.error());
  std::optional<runtime::DirectoryWatch> watch;
  if (config.watch) {
    auto watching = runtime::DirectoryWatch::open(config_file);
    if (!watching) return tl::unexpected(watching.error());
    watch = std::move(*watching);
  }

  auto started = manage::LiveManager::start(std::move(source), netns, *cgroup);
  if (!started) return tl::unexpected(started.error());
  manage::LiveManager& manager = **started;
  auto server =
      control::Server::start(config.control_socket, manager,
                             {kVersion, config_file, cgroup->path, config.netns, start_time});
  if (!server) return tl::unexpected(server.error());
  const auto page =
      std::make_shared<observe::MetricsPage>([&manager] { return manager.snapshot(); }, kVersion);
  if (*metrics) (*metrics)->RegisterCollectable(page);

  spdlog::info("ready: headgated {} enforces {} on cgroup {}, netns {}; metrics {}, control {}",
               kVersion, count_of_rules(config.rules.size()), cgroup->path, config.netns,
               config.metrics_listen.value_or("off"), config.control_socket);

  EventHandler events(manager, std::move(*killer));
  Reloader reloader(manager);
  runtime::EventLoop loop;
  loop.watch(signals.fd(), [&] {
    const int signal = signals.read();
    if (signal == SIGHUP) {
      reloader.reload();
    } else if (signal != 0) {
      loop.stop(signal);
    }
  });
  loop.watch(manager.limiter().event_fd(), [&events] {
    events.drain();
    events.make_up_for_losses();
  });
  if (watch) watch->add_to(loop, [&reloader] { reloader.reload_if_changed(); });
  loop.every(kTick, [&] {
    events.make_up_for_losses();
    events.retry();
    manager.limiter().drop_idle_hooks();
    manager.tick();
  });
  const auto stopped_by = loop.run();
  // The page and the followers ask the manager: none of them may do so when it goes.
  metrics->reset();
  manager.events().close();
  if (!stopped_by) return tl::unexpected(stopped_by.error());
  spdlog::info("stopping ({}): the limits are detached, connections stay open",
               strsignal(*stopped_by));
  return {};
}

}  // namespace headgate
