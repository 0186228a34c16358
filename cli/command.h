// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "common/result.h"

namespace headgate::cli {

inline constexpr int kGood = 0;
inline constexpr int kBad = 1;
inline constexpr int kUsage = 2;

// What every command has in common, and the command that the command line has chosen.
struct Program {
  CLI::App app{"Talks to headgated, the connection limiter.", "headgatectl"};
  std::string socket = "/run/headgate/control.sock";
  std::string output = "table";
  std::function<int()> run;

  bool wants_json() const { return output == "json"; }

  // A command and what it does; `example` ends its help.
  CLI::App* add(const std::string& name, const std::string& what, const std::string& example,
                std::function<int()> command) {
    return add_to(app, name, what, example, std::move(command));
  }
  CLI::App* add_to(CLI::App& parent, const std::string& name, const std::string& what,
                   const std::string& example, std::function<int()> command);

  // To standard output at once. The exit code: kBad when it cannot be written.
  int print(const std::string& text) const;
  // To standard error, as text or JSON. kBad.
  int complain(const std::string& message) const;
  int complain(const Error& error) const { return complain(error.to_string()); }

  // Prints an answer as the user wants it, or the error.
  template <typename T, typename Text, typename Json>
  int show(const Result<T>& answer, Text text, Json json) const {
    if (!answer) return complain(answer.error());
    return print(wants_json() ? json(*answer) : text(*answer));
  }
};

// Options of commands that look at the pins.
struct PinOptions {
  std::string pin_dir;
  std::string config;
};
void add_pin_options(CLI::App& command, PinOptions& options);
// Says on standard error why it is not what the default configuration file says, if that is so.
Result<std::string> pin_dir_of(const PinOptions& options);

// Checks for values on the command line.
CLI::Validator is_cidr();
CLI::Validator is_address();

// One for each file in commands/.
void add_status(Program& program);
void add_clients(Program& program);
void add_explain(Program& program);
void add_events(Program& program);
void add_policy(Program& program);  // reload, set, unset, diff
void add_deny(Program& program);
void add_evict(Program& program);
void add_verify(Program& program);
void add_quota(Program& program);
void add_detach(Program& program);  // needs no daemon
void add_local(Program& program);   // check, doctor, version: need no daemon
void add_completion(Program& program);

}  // namespace headgate::cli
