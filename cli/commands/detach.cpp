// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/pin_dir.h"
#include "cli/render.h"
#include "daemon/kernel/pin_directory.h"

namespace headgate::cli {
namespace {

int run(const Program& program, const PinOptions& options) {
  const auto pin_dir = pin_dir_of(options);
  if (!pin_dir) return program.complain(pin_dir.error());
  const auto pins = kernel::PinDirectory::open_existing(*pin_dir);
  if (!pins && pins.error().code == ErrorCode::kUnavailable) {
    return program.complain(fail("nothing was detached: systemctl stop headgate, or kill the "
                                 "daemon, then detach",
                                 pins.error())
                                .value());
  }
  if (!pins) return program.complain(pins.error());
  Detached detached{*pin_dir, pins->has_value(), 0};
  if (*pins) {
    const auto hooks = (*pins)->remove_all();
    if (!hooks) return program.complain(hooks.error());
    detached.hooks = *hooks;
  }
  return program.print(program.wants_json() ? detach_json(detached) : detach_text(detached));
}

}  // namespace

void add_detach(Program& program) {
  const auto options = std::make_shared<PinOptions>();
  CLI::App* command = program.add(
      "detach",
      "Remove everything of headgate's from the kernel; needs no daemon, and none may run",
      "detach", [&program, options] { return run(program, *options); });
  add_pin_options(*command, *options);
}

}  // namespace headgate::cli
