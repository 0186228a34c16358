// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace headgate::cli {

// A script for bash (4.4 or later) that completes the command line of this program: commands,
// options, and what follows an option or stands at a place, as far as the tree tells it: a choice
// (CLI::IsMember), a file (type name FILE) or a directory (DIR). Hidden options and commands are
// left out. The program's own options may stand after each command (App::fallthrough). Pure.
std::string bash_completion(const CLI::App& program);

}  // namespace headgate::cli
