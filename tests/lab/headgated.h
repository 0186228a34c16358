// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/lab/metrics_page.h"
#include "tests/lab/pin_dir.h"
#include "tests/lab/process.h"
#include "tests/lab/temp_dir.h"
#include "tests/lab/topology.h"

namespace headgate::lab {

// One rule as StatusResponse (control.proto) tells it.
struct RuleStatus {
  std::uint64_t connections = 0;
  std::uint64_t half_open = 0;
  std::uint64_t clients = 0;
  std::uint64_t admitted = 0;
  std::uint64_t refused = 0;       // for all reasons
  std::uint64_t would_refuse = 0;  // in monitor mode, for all reasons
  std::uint64_t overshoot_closed = 0;
  std::uint64_t untracked = 0;
  std::uint64_t adopted = 0;
};

struct HeadgatedOptions {
  std::string cgroup = "auto";
  std::string netns = "";  // as in the configuration; empty: the server's
  std::string more = "";   // further top-level keys, one a line
  std::string program = HEADGATED_PROGRAM;
};

// The real daemon, enforcing in the namespace of one host; asked through the real headgatectl
// and its metrics page. It runs from construction ("ready:" was logged) to destruction. Not
// thread-safe.
class Headgated {
 public:
  // `yaml`: the configuration but for the keys metrics, control, cgroup and netns.
  Headgated(const Host& server, const std::string& yaml, const HeadgatedOptions& options = {});

  pid_t pid() const { return process_->pid(); }
  std::string log() const { return process_->output(); }
  std::uint64_t resident_bytes() const;

  nlohmann::json status() const;  // StatusResponse
  RuleStatus rule(const std::string& name) const;
  nlohmann::json clients() const;  // ClientsResponse
  // Connections of one client ("10.0.1.2", "2001:db8:0:1::/64") under one rule; 0 when unknown.
  std::uint64_t client_connections(const std::string& rule, const std::string& prefix) const;
  std::string metrics_text() const;
  MetricsPage metrics() const { return parse_metrics(metrics_text()); }

  // What `headgatectl -o json COMMAND…` prints; throws LabError when it fails.
  nlohmann::json ctl(const std::vector<std::string>& command) const { return ask(command); }
  // Runs `headgatectl COMMAND…`, whatever comes of it.
  CommandResult run_ctl(const std::vector<std::string>& command) const;
  // How often `rule` has refused for `reason`, whatever the client got.
  std::uint64_t refused_for(const std::string& rule, const std::string& reason) const;

  // Replaces the configuration file; takes effect with reload().
  void write_config(const std::string& yaml) const;
  // write_config and `headgatectl reload`, which must succeed; returns what it prints.
  nlohmann::json reload(const std::string& yaml) const;
  std::string config_path() const { return config_; }
  std::string socket_path() const { return socket_; }
  const Endpoint& metrics_endpoint() const { return metrics_; }

  // Ends the daemon and starts it again with the same files: it takes over what it has left.
  void restart();
  // Ends it with SIGKILL, and waits for that.
  void kill();
  // Starts it again after kill() or stop(), perhaps another build of it.
  void start(const std::string& program = HEADGATED_PROGRAM);
  // As start(), for one that is expected to fail: its output.
  CommandResult start_in_vain() const;

  const std::string& pin_dir() const { return pins_.path(); }

  // Ends the daemon with SIGTERM and returns its exit status; throws LabError when it hangs.
  int stop();

 private:
  nlohmann::json ask(const std::vector<std::string>& command) const;

  TempDir directory_;
  PinDir pins_;  // cleared after the daemon has ended
  std::string socket_;
  Endpoint metrics_;
  std::string common_;  // what every configuration ends with
  std::string config_;  // path of the configuration file
  std::unique_ptr<Process> process_;
};

}  // namespace headgate::lab
