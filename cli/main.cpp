// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "common/version.h"

namespace headgate::cli {
namespace {

int run(int argc, char** argv) {
  Program program;
  CLI::App& app = program.app;
  app.require_subcommand(1);
  app.fallthrough();  // options of the whole program may stand after the command, too
  app.add_option("--socket", program.socket, "Control socket of the daemon")
      ->type_name("FILE")
      ->envname("HEADGATE_SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", program.output, "Output format")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.set_version_flag("--version", std::string("headgatectl ") + kVersion);
  app.footer("headgatectl COMMAND --help tells more. Exit codes: 0 good, 1 bad, 2 usage.");

  add_status(program);
  add_clients(program);
  add_explain(program);
  add_events(program);
  add_policy(program);
  add_deny(program);
  add_evict(program);
  add_verify(program);
  add_quota(program);
  add_detach(program);
  add_local(program);
  add_completion(program);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kGood : kUsage;
  }
  return program.run();
}

}  // namespace
}  // namespace headgate::cli

int main(int argc, char** argv) {
  return headgate::cli::run(argc, argv);
}
