// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/client.h"
#include "cli/render.h"
#include "common/version.h"
#include "daemon/config/parse.h"
#include "daemon/kernel/probe.h"
#include "daemon/policy/policy.h"

namespace headgate::cli {
namespace {

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kUsage = 2;

// What the command line said, filled in by CLI11.
struct Arguments {
  std::string socket = "/run/headgate/control.sock";
  std::string output = "table";
  std::string rule;
  std::uint32_t limit = 100;
  std::string file;

  bool wants_json() const { return output == "json"; }
};

int complain(const Error& error) {
  std::fprintf(stderr, "headgatectl: %s\n", error.to_string().c_str());
  return kBad;
}

int print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? kGood : kBad;
}

int run_status(const Arguments& arguments) {
  const auto status = Client(arguments.socket).status();
  if (!status) return complain(status.error());
  return print(arguments.wants_json() ? status_json(*status) : status_text(*status));
}

int run_clients(const Arguments& arguments) {
  const auto clients = Client(arguments.socket).clients(arguments.rule, arguments.limit);
  if (!clients) return complain(clients.error());
  return print(arguments.wants_json() ? clients_json(*clients) : clients_text(*clients));
}

int run_check(const Arguments& arguments) {
  const auto config = config::load(arguments.file);
  if (!config) return complain(config.error());
  const auto policy = policy::compile(*config, arguments.file);
  if (!policy) return complain(policy.error());
  if (arguments.wants_json()) {
    return print("{\n  \"is_good\": true,\n  \"rules\": " + std::to_string(config->rules.size()) +
                 "\n}\n");
  }
  return print(arguments.file + ": good, " + std::to_string(config->rules.size()) + " rules\n");
}

int run_doctor(const Arguments& arguments) {
  const auto requirements = kernel::probe_requirements();
  const bool use_colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  const int printed = print(arguments.wants_json() ? doctor_json(requirements)
                                                   : doctor_text(requirements, use_colour));
  const bool is_met = std::all_of(requirements.begin(), requirements.end(),
                                  [](const auto& requirement) { return requirement.is_met; });
  return is_met ? printed : kBad;
}

int run_version(const Arguments& arguments) {
  const std::string version = kVersion;
  return print(arguments.wants_json() ? "{\n  \"version\": \"" + version + "\"\n}\n"
                                      : "headgatectl " + version + "\n");
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Talks to headgated, the connection limiter.", "headgatectl");
  app.require_subcommand(1);
  app.fallthrough();  // options of the whole program may stand after the command, too
  app.add_option("--socket", arguments.socket, "Control socket of the daemon")
      ->envname("HEADGATE_SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", arguments.output, "Output format")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.set_version_flag("--version", std::string("headgatectl ") + kVersion);
  app.footer("Exit codes: 0 good, 1 bad, 2 usage.");

  std::function<int(const Arguments&)> command;
  const auto add = [&](const char* name, const char* what, int (*run_command)(const Arguments&)) {
    CLI::App* subcommand = app.add_subcommand(name, what);
    subcommand->callback([&command, run_command] { command = run_command; });
    return subcommand;
  };
  add("status", "What is enforced and how full it is", run_status);
  CLI::App* clients = add("clients", "Clients that hold connections, most first", run_clients);
  clients->add_option("--rule", arguments.rule, "Only this rule's clients");
  clients->add_option("--limit", arguments.limit, "Show at most so many")
      ->check(CLI::Range(1U, 100'000'000U))
      ->capture_default_str();
  add("check", "Validate a configuration file; needs no daemon", run_check)
      ->add_option("file", arguments.file, "Configuration file")
      ->required();
  add("doctor", "Does this machine have what headgate needs? Needs no daemon", run_doctor);
  add("version", "Print the version", run_version);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kGood : kUsage;
  }
  return command(arguments);
}

}  // namespace
}  // namespace headgate::cli

int main(int argc, char** argv) {
  return headgate::cli::run(argc, argv);
}
