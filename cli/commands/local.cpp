// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/render.h"
#include "common/version.h"
#include "daemon/config/parse.h"
#include "daemon/config/warnings.h"
#include "daemon/kernel/probe.h"
#include "daemon/policy/policy.h"

namespace headgate::cli {
namespace {

struct Checked {
  std::size_t rules = 0;
  std::vector<std::string> warnings;
};

// What `headgated --check` does.
Result<Checked> check(const std::string& file) {
  const auto config = config::load(file);
  if (!config) return tl::unexpected(config.error());
  const auto policy = policy::compile(*config, file);
  if (!policy) return tl::unexpected(policy.error());
  return Checked{config->rules.size(), config::warnings(*config, file)};
}

int run_check(const Program& program, const std::string& file) {
  const auto checked = check(file);
  if (!program.wants_json()) {
    if (!checked) return program.complain(checked.error());
    std::string text = file + ": good, " + std::to_string(checked->rules) + " rules\n";
    for (const std::string& warning : checked->warnings) text += "warning: " + warning + "\n";
    return program.print(text);
  }
  Json json{{"is_good", checked.has_value()}};
  if (checked) {
    json["rules"] = checked->rules;
    json["warnings"] = checked->warnings;
  } else {
    json["error"] = checked.error().to_string();
  }
  const int printed = program.print(dump(json));
  return checked ? printed : kBad;
}

int run_doctor(const Program& program, const PinOptions& options) {
  const auto pin_dir = pin_dir_of(options);
  if (!pin_dir) return program.complain(pin_dir.error());
  const auto requirements = kernel::probe_requirements(*pin_dir);
  const int printed =
      program.print(program.wants_json() ? doctor_json(requirements)
                                         : doctor_text(requirements, Colour::of_stdout()));
  const bool is_lacking =
      std::any_of(requirements.begin(), requirements.end(),
                  [](const auto& requirement) { return requirement.is_lacking(); });
  return is_lacking ? kBad : printed;
}

}  // namespace

void add_local(Program& program) {
  const auto file = std::make_shared<std::string>();
  program
      .add("check", "Validate a configuration file; needs no daemon",
           "check /etc/headgate/headgate.yaml",
           [&program, file] { return run_check(program, *file); })
      ->add_option("file", *file, "Configuration file")
      ->type_name("FILE")
      ->required();
  const auto pins = std::make_shared<PinOptions>();
  add_pin_options(
      *program.add("doctor", "Does this machine have what headgate needs? Needs no daemon",
                   "doctor", [&program, pins] { return run_doctor(program, *pins); }),
      *pins);
  program.add("version", "Print the version", "version -o json", [&program] {
    const std::string version = kVersion;
    return program.print(program.wants_json() ? dump({{"version", version}})
                                              : "headgatectl " + version + "\n");
  });
}

}  // namespace headgate::cli
