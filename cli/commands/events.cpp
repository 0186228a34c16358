// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

struct Arguments {
  bool follow = false;
  std::string rule;
  std::vector<std::string> kinds;
};

int run(const Program& program, const Arguments& arguments) {
  control::v1::EventsRequest request;
  request.set_rule(arguments.rule);
  for (const std::string& kind : arguments.kinds) request.add_kinds(kind);
  const Colour colour = Colour::of_stdout();
  const auto done = Client(program.socket).events(request, [&](const control::v1::Event& event) {
    return program.print(program.wants_json() ? event_json(event) : event_text(event, colour)) ==
           kGood;
  });
  return done ? kBad : program.complain(done.error());  // it is never done but by a failure
}

}  // namespace

void add_events(Program& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add(
      "events", "Refusals, penalties, reloads and the like, as they happen, until Ctrl-C",
      "events --follow --kind refused --kind penalty -o json",
      [&program, arguments] { return run(program, *arguments); });
  command->add_flag("--follow", arguments->follow, "Follow from now on; past events are not kept")
      ->required();
  command->add_option("--rule", arguments->rule, "Only this rule's");
  command->add_option("--kind", arguments->kinds, "Only this kind; may be given again")
      ->expected(1)
      ->take_all();
}

}  // namespace headgate::cli
