// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {

void add_status(Program& program) {
  program.add("status", "What is enforced and how full it is", "status", [&program] {
    return program.show(
        Client(program.socket).status(),
        [](const auto& answer) { return status_text(answer, Colour::of_stdout()); }, status_json);
  });
}

}  // namespace headgate::cli
