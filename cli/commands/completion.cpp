// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <memory>
#include <string>

#include "cli/command.h"

namespace headgate::cli {

void add_completion(Program& program) {
  const auto shell = std::make_shared<std::string>();
  program
      .add("completion", "Print a script that completes this program's command line in a shell",
           "completion bash > /etc/bash_completion.d/headgatectl",
           [&program] { return program.print(bash_completion(program.app)); })
      ->add_option("shell", *shell, "Which shell")
      ->check(CLI::IsMember({"bash"}))
      ->required();
}

}  // namespace headgate::cli
