// SPDX-License-Identifier: Apache-2.0
#include "daemon/app.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "common/version.h"
#include "daemon/config/namespaces.h"
#include "daemon/config/warnings.h"
#include "daemon/control/server.h"
#include "daemon/event_handler.h"
#include "daemon/former_pins.h"
#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/pin_directory.h"
#include "daemon/manage/live_manager.h"
#include "daemon/metrics_server.h"
#include "daemon/observe/metrics.h"
#include "daemon/observe/quota_metrics.h"
#include "daemon/quota_doors.h"
#include "daemon/runtime/directory_watch.h"
#include "daemon/runtime/event_loop.h"
#include "daemon/runtime/privileges.h"
#include "daemon/runtime/service_manager.h"
#include "daemon/worker.h"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kTick{1000};

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

// What `systemctl status` shows.
std::string status_line(const manage::LiveManager& manager) {
  const std::string enforces = "enforces " + count_of_rules(manager.config().rules.size());
  return manager.reload_status().was_good ? enforces : enforces + "; the last reload failed";
}

// What the running daemon still needs; docs/operations.md says for what.
std::vector<runtime::Capability> lasting_capabilities(const config::Config& config) {
  using runtime::Capability;
  std::vector<Capability> lasting = {Capability::kBpf, Capability::kNetAdmin, Capability::kPerfmon};
  const bool enters_others =
      config.netns != config::Namespaces{{"self"}, false, config.netns.share_counts};
  // To see which XDP programs are there takes the same one as to enter a namespace.
  if (enters_others || !config.xdp.interfaces.empty()) lasting.push_back(Capability::kSysAdmin);
  const auto is_process = [](const std::string& path) { return path.rfind("/proc/", 0) == 0; };
  const auto& paths = config.netns.paths;
  if (config.netns.is_all || std::any_of(paths.begin(), paths.end(), is_process)) {
    lasting.push_back(Capability::kSysPtrace);
  }
  return lasting;
}

Result<void> give_up_privileges(const config::Config& config) {
  auto dropped = runtime::drop_capabilities_except(lasting_capabilities(config));
  if (!dropped) return fail("cannot give up privileges", dropped.error());
  if (const auto left = runtime::capabilities_in_effect()) {
    spdlog::info("goes on with {} only", *left);
  }
  return {};
}

std::vector<std::string> names_of(const std::vector<kernel::NamedNamespace>& namespaces) {
  std::vector<std::string> names;
  for (const kernel::NamedNamespace& netns : namespaces) names.push_back(netns.name);
  return names;
}

void log_failure(const Result<void>& done) {
  if (!done) spdlog::warn("{}", done.error().to_string());
}

// As `on_stop` says now.
Result<void> end_limits(manage::LiveManager& manager, const FormerPins& pins, const char* signal) {
  if (manager.config().on_stop == config::OnStop::kKeep) {
    spdlog::info(
        "stopping ({}): the limits stay in force without the daemon (on_stop: keep); "
        "headgatectl detach removes them",
        signal);
    return {};
  }
  const auto detached = manager.limiter().detach();
  if (!detached) return fail("cannot detach", detached.error());
  pins.forget_current();
  spdlog::info("stopping ({}): the limits are removed (on_stop: detach), connections stay open",
               signal);
  return {};
}

// A start that fails when the limits are in force already: those that were there before are others
// by now, but where there were none there must be none.
tl::unexpected<Error> give_up(manage::LiveManager& manager, const Error& error) {
  if (manager.limiter().is_first()) (void)manager.limiter().detach();
  return tl::unexpected(error);
}

// What must be there, or free, before anything is enforced.
struct Ground {
  kernel::PinDirectory pins;
  FormerPins former_pins;
  std::shared_ptr<const kernel::Cgroup> cgroup;
  std::optional<runtime::DirectoryWatch> watch;
};

Result<Ground> prepare(const config::Config& config, const std::string& config_file,
                       const runtime::ServiceManager& service) {
  Ground ground;
  auto pins = kernel::PinDirectory::open(config.pin_dir);
  if (!pins) return tl::unexpected(pins.error());
  ground.pins = std::move(*pins);
  auto cgroup = kernel::open_cgroup(config.cgroup);
  if (!cgroup) return tl::unexpected(cgroup.error());
  ground.cgroup = std::make_shared<const kernel::Cgroup>(std::move(*cgroup));
  if (auto prepared = control::prepare_socket_path(config.control_socket); !prepared) {
    return tl::unexpected(prepared.error());
  }
  if (auto doors = QuotaDoors::prepare(config); !doors) return tl::unexpected(doors.error());
  // Its threads must not have the privileges that are given up later, so it is opened after that.
  if (config.metrics_listen) {
    auto free = MetricsServer::probe(*config.metrics_listen);
    if (!free) return tl::unexpected(free.error());
  }
  if (config.watch) {
    auto watch = runtime::DirectoryWatch::open(config_file);
    if (!watch) return tl::unexpected(watch.error());
    ground.watch = std::move(*watch);
  }
  const std::string directory = service.runtime_directory().value_or(
      std::filesystem::path(config.control_socket).parent_path());
  ground.former_pins = FormerPins::find(kernel::PinRecord(directory, config_file), ground.pins);
  return ground;
}

// Until a signal ends it, which is returned.
Result<int> run_loop(const runtime::Signals& signals, manage::LiveManager& manager,
                     const runtime::ServiceManager& service,
                     std::optional<runtime::DirectoryWatch>& watch) {
  EventHandler events(manager);
  Worker worker(manager, service);
  runtime::EventLoop loop;
  loop.watch(signals.fd(), [&] {
    const int signal = signals.read();
    if (signal == SIGHUP) {
      worker.reload();
    } else if (signal != 0) {
      loop.stop(signal);
    }
  });
  loop.watch(manager.limiter().event_fd(), [&events] {
    events.drain();
    events.make_up_for_losses();
  });
  if (watch) watch->add_to(loop, [&worker] { worker.reload_if_changed(); });
  loop.every(std::min(kTick, service.watchdog_period().value_or(kTick)), [&] {
    events.make_up_for_losses();
    events.retry();
    manager.limiter().drop_idle_hooks();
    manager.tick();
    log_failure(service.alive());
  });
  return loop.run();
}

}  // namespace

Result<void> run_daemon(const runtime::Signals& signals, manage::Source source) {
  const auto start_time = std::chrono::system_clock::now();
  const config::Config config = source.config;
  const std::string config_file = source.path;
  raise_file_limit();
  const auto service = runtime::ServiceManager::from_environment();
  if (!service) return tl::unexpected(service.error());
  auto ground = prepare(config, config_file, *service);
  if (!ground) return tl::unexpected(ground.error());
  auto started =
      manage::LiveManager::start(std::move(source), std::move(ground->pins), ground->cgroup,
                                 [&config] { return give_up_privileges(config); });
  if (!started) return tl::unexpected(started.error());
  manage::LiveManager& manager = **started;
  spdlog::info("{}", manager.limiter().how_started());
  for (const std::string& warning : config::warnings(config, config_file)) {
    spdlog::warn("{}", warning);
  }

  std::unique_ptr<MetricsServer> metrics;
  if (config.metrics_listen) {
    auto opened = MetricsServer::open(*config.metrics_listen);
    if (!opened) return give_up(manager, opened.error());
    metrics = std::move(*opened);
    metrics->add(std::make_shared<observe::MetricsPage>([&manager] { return manager.snapshot(); },
                                                        kVersion));
    metrics->add(std::make_shared<observe::QuotaPage>(manager.quotas()));
  }
  QuotaDoors doors(manager, metrics.get());
  if (auto opened = doors.follow(); !opened) return give_up(manager, opened.error());
  manager.on_change([&] {
    log_failure(service->status(status_line(manager)));
    if (auto opened = doors.follow(); !opened) {
      spdlog::error("cannot open the doors for quotas: {}", opened.error().to_string());
    }
  });
  const std::string netns = config::to_string(config.netns);
  const std::string& cgroup = ground->cgroup->path;
  const auto name_namespaces = [&manager] { return names_of(manager.limiter().namespaces()); };
  auto server =
      control::Server::start(config.control_socket, manager,
                             {kVersion, config_file, cgroup, netns, start_time, config.pin_dir,
                              config.netns.share_counts, name_namespaces});
  if (!server) return give_up(manager, server.error());
  ground->former_pins.remove();

  spdlog::info("ready: headgated {} enforces {} on cgroup {}, netns {}; metrics {}, control {}, {}",
               kVersion, count_of_rules(config.rules.size()), cgroup, netns,
               config.metrics_listen.value_or("off"), config.control_socket,
               describe_doors(config.quotas));
  log_failure(service->ready(status_line(manager)));
  const auto stopped_by = run_loop(signals, manager, *service, ground->watch);
  log_failure(service->stopping("stopping"));
  // The doors, the page and the followers ask the manager: none of them may do so when it goes.
  doors.close();
  metrics.reset();
  manager.events().close();
  if (!stopped_by) return tl::unexpected(stopped_by.error());
  return end_limits(manager, ground->former_pins, strsignal(*stopped_by));
}

}  // namespace headgate
