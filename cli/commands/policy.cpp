// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

struct Arguments {
  std::string rule;
  std::string setting;  // KEY=VALUE, or only the key
  bool persist = false;
};

int show(const Program& program, const Result<control::v1::ReloadResponse>& reload) {
  return program.show(
      reload, [](const auto& answer) { return reload_text(answer, Colour::of_stdout()); },
      reload_json);
}

int run_set(const Program& program, const Arguments& arguments) {
  const std::size_t equals = arguments.setting.find('=');
  control::v1::SetRequest request;
  request.set_rule(arguments.rule);
  request.set_key(arguments.setting.substr(0, equals));
  request.set_value(arguments.setting.substr(equals + 1));
  request.set_persist(arguments.persist);
  return show(program, Client(program.socket).set(request));
}

int run_unset(const Program& program, const Arguments& arguments) {
  control::v1::UnsetRequest request;
  request.set_rule(arguments.rule);
  request.set_key(arguments.setting);
  request.set_persist(arguments.persist);
  return show(program, Client(program.socket).unset(request));
}

std::string key_and_value(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0 && equals + 1 < text.size()) return "";
  return "'" + text + "' is not KEY=VALUE; connections.per_client=200 would be right";
}

}  // namespace

void add_policy(Program& program) {
  program.add("reload",
              "Read the configuration again and put it in force; a bad one changes nothing",
              "reload", [&program] { return show(program, Client(program.socket).reload()); });

  const auto set = std::make_shared<Arguments>();
  CLI::App* command = program.add("set", "Change one value of a rule at once",
                                  "set web connections.per_client=200 --persist",
                                  [&program, set] { return run_set(program, *set); });
  command->add_option("rule", set->rule, "Name of the rule")->required();
  command->add_option("setting", set->setting, "KEY=VALUE, as in the configuration file")
      ->check(CLI::Validator(key_and_value, "KEY=VALUE"))
      ->required();
  command->add_flag("--persist", set->persist, "Keep it over reloads and restarts");

  const auto unset = std::make_shared<Arguments>();
  command = program.add("unset", "Take a set value back: the configuration's holds again",
                        "unset web connections.per_client --persist",
                        [&program, unset] { return run_unset(program, *unset); });
  command->add_option("rule", unset->rule, "Name of the rule")->required();
  command->add_option("key", unset->setting, "Key that was set")->required();
  command->add_flag("--persist", unset->persist, "Also what was set with --persist");

  program.add("diff", "What is in force and not in the configuration file", "diff", [&program] {
    return program.show(
        Client(program.socket).diff(),
        [](const auto& answer) { return diff_text(answer, Colour::of_stdout()); }, diff_json);
  });
}

}  // namespace headgate::cli
