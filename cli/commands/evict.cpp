// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

struct Arguments {
  std::string cidr;
  std::string rule;
  bool excess = false;
};

}  // namespace

void add_evict(Program& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add("evict", "Close connections of clients, with RST",
                                  "evict 192.0.2.0/24 --rule web --excess", [&program, arguments] {
                                    control::v1::EvictRequest request;
                                    request.set_cidr(arguments->cidr);
                                    request.set_rule(arguments->rule);
                                    request.set_only_excess(arguments->excess);
                                    return program.show(Client(program.socket).evict(request),
                                                        evict_text, evict_json);
                                  });
  command->add_option("cidr", arguments->cidr, "Clients")->check(is_cidr())->required();
  command->add_option("--rule", arguments->rule, "Only their connections at this rule");
  command->add_flag("--excess", arguments->excess, "Only those over a limit, the newest first");
}

}  // namespace headgate::cli
