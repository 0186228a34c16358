// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <cstdio>
#include <utility>

#include "cli/render.h"
#include "common/ip.h"

namespace headgate::cli {

CLI::App* Program::add_to(CLI::App& parent, const std::string& name, const std::string& what,
                          const std::string& example, std::function<int()> command) {
  CLI::App* added = parent.add_subcommand(name, what);
  added->footer("Example: headgatectl " + example);
  added->callback([this, command = std::move(command)] { run = command; });
  return added;
}

int Program::print(const std::string& text) const {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? kGood : kBad;
}

int Program::complain(const std::string& message) const {
  if (wants_json()) {
    std::fputs(error_json(message).c_str(), stderr);
  } else {
    std::fprintf(stderr, "headgatectl: %s\n", message.c_str());
  }
  return kBad;
}

namespace {

template <typename T>
std::string fault_of(const std::string& text) {
  const auto parsed = T::parse(text);
  return parsed ? "" : parsed.error().to_string();
}

}  // namespace

CLI::Validator is_cidr() {
  return {[](const std::string& text) { return fault_of<Prefix>(text); }, "CIDR"};
}

CLI::Validator is_address() {
  return {[](const std::string& text) { return fault_of<IpAddress>(text); }, "ADDRESS"};
}

}  // namespace headgate::cli
