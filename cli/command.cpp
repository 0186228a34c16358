// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <cstdio>
#include <utility>

#include "cli/pin_dir.h"
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

void add_pin_options(CLI::App& command, PinOptions& options) {
  CLI::Option* pin_dir =
      command.add_option("--pin-dir", options.pin_dir, "Directory of the pins")->type_name("DIR");
  command
      .add_option("-c,--config", options.config,
                  std::string("Configuration file that names it [") + kDefaultConfigFile + "]")
      ->type_name("FILE")
      ->excludes(pin_dir);
}

Result<std::string> pin_dir_of(const PinOptions& options) {
  auto found = find_pin_dir(options.pin_dir, options.config);
  if (!found) return tl::unexpected(found.error());
  if (!found->note.empty()) std::fprintf(stderr, "headgatectl: %s\n", found->note.c_str());
  return found->path;
}

CLI::Validator is_cidr() {
  return {[](const std::string& text) { return fault_of<Prefix>(text); }, "CIDR"};
}

CLI::Validator is_address() {
  return {[](const std::string& text) { return fault_of<IpAddress>(text); }, "ADDRESS"};
}

}  // namespace headgate::cli
