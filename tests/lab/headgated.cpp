// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/headgated.h"

#include <netinet/in.h>

#include <sstream>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

constexpr auto kStartTimeout = std::chrono::seconds(20);
constexpr auto kStopTimeout = std::chrono::seconds(20);

// A port of 127.0.0.1 that nobody uses at the moment.
Endpoint free_port() {
  const UniqueFd listener = listen_on({address("127.0.0.1"), 0});
  sockaddr_in local{};
  socklen_t length = sizeof local;
  check(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&local), &length), "getsockname");
  return {address("127.0.0.1"), ntohs(local.sin_port)};
}

}  // namespace

Headgated::Headgated(const Host& server, const std::string& yaml, const HeadgatedOptions& options)
    : socket_((directory_.path() / "control.sock").string()),
      metrics_(free_port()),
      common_("\nmetrics: { listen: \"127.0.0.1:" + std::to_string(metrics_.port) +
              "\" }\ncontrol: { socket: " + socket_ + " }\ncgroup: " + options.cgroup +
              "\npin_dir: " + pins_.path() +
              "\nnetns: " + (options.netns.empty() ? server.network().path() : options.netns) +
              "\n" + options.more + "\n"),
      config_(directory_.write("headgate.yaml", yaml + common_)) {
  start(options.program);
}

void Headgated::start(const std::string& program) {
  process_ = std::make_unique<Process>(std::vector<std::string>{program, "--config", config_});
  if (!process_->wait_for_output("ready:", kStartTimeout)) {
    throw LabError("headgated did not become ready:\n" + log());
  }
}

void Headgated::write_config(const std::string& yaml) const {
  directory_.write("headgate.yaml", yaml + common_);
}

nlohmann::json Headgated::reload(const std::string& yaml) const {
  write_config(yaml);
  return ask({"reload"});
}

std::uint64_t Headgated::resident_bytes() const {
  std::istringstream lines(read_file("/proc/" + std::to_string(pid()) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
  }
  throw LabError("headgated has ended:\n" + log());
}

nlohmann::json Headgated::ask(const std::vector<std::string>& command) const {
  std::vector<std::string> arguments = {HEADGATECTL_PROGRAM, "--socket", socket_, "-o", "json"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return nlohmann::json::parse(must_run(arguments));
}

CommandResult Headgated::run_ctl(const std::vector<std::string>& command) const {
  std::vector<std::string> arguments = {HEADGATECTL_PROGRAM, "--socket", socket_};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return run_command(arguments);
}

std::uint64_t Headgated::refused_for(const std::string& rule, const std::string& reason) const {
  const nlohmann::json all = status();
  for (const nlohmann::json& one : all.at("rules")) {
    if (one.at("name") == rule) return one.at("refused").value(reason, std::uint64_t{0});
  }
  throw LabError("headgatectl status knows no rule " + rule + ": " + all.dump());
}

nlohmann::json Headgated::status() const {
  return ask({"status"});
}

nlohmann::json Headgated::clients() const {
  return ask({"clients", "--limit", "1000"});
}

RuleStatus Headgated::rule(const std::string& name) const {
  const nlohmann::json all = status();
  for (const nlohmann::json& one : all.at("rules")) {
    if (one.at("name") != name) continue;
    RuleStatus result;
    result.connections = one.at("connections");
    result.half_open = one.at("half_open");
    result.clients = one.at("clients");
    result.admitted = one.at("admitted");
    for (const auto& [reason, count] : one.at("refused").items()) {
      result.refused += count.get<std::uint64_t>();
    }
    for (const auto& [reason, count] : one.at("would_refuse").items()) {
      result.would_refuse += count.get<std::uint64_t>();
    }
    result.overshoot_closed = one.at("overshoot_closed");
    result.untracked = one.at("untracked");
    result.adopted = one.at("adopted");
    return result;
  }
  throw LabError("headgatectl status knows no rule " + name + ": " + all.dump());
}

std::uint64_t Headgated::client_connections(const std::string& rule,
                                            const std::string& prefix) const {
  const nlohmann::json all = clients();
  for (const nlohmann::json& client : all.at("clients")) {
    if (client.at("rule") == rule && client.at("prefix") == prefix) return client.at("connections");
  }
  return 0;
}

std::string Headgated::metrics_text() const {
  return http_get(metrics_, "/metrics");
}

CommandResult Headgated::start_in_vain() const {
  return run_command({HEADGATED_PROGRAM, "--config", config_});
}

void Headgated::kill() {
  process_->signal(SIGKILL);
  if (!process_->wait(kStopTimeout)) throw LabError("headgated did not end after SIGKILL");
}

void Headgated::restart() {
  stop();
  start();
}

int Headgated::stop() {
  process_->signal(SIGTERM);
  const auto status = process_->wait(kStopTimeout);
  if (!status) throw LabError("headgated did not end after SIGTERM:\n" + log());
  return *status;
}

}  // namespace headgate::lab
