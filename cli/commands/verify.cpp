// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

int run(const Program& program, bool repair) {
  control::v1::VerifyRequest request;
  request.set_repair(repair);
  const auto answer = Client(program.socket).verify(request);
  const int printed = program.show(
      answer, [&](const auto& found) { return verify_text(found, repair, Colour::of_stdout()); },
      verify_json);
  if (!answer || answer->drift().empty()) return printed;
  return repair && answer->is_repaired() ? printed : kBad;
}

}  // namespace

void add_verify(Program& program) {
  const auto repair = std::make_shared<bool>(false);
  program
      .add("verify",
           "Compare the counters with the open sockets; exit code 1 if they differ and stay so",
           "verify --repair", [&program, repair] { return run(program, *repair); })
      ->add_flag("--repair", *repair, "Make the counters agree with the open sockets");
}

}  // namespace headgate::cli
