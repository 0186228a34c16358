// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/pin_dir.h"
#include "cli/render.h"
#include "daemon/kernel/pin_directory.h"

namespace headgate::cli {
namespace {

struct Place {
  std::string path;
  std::optional<kernel::PinDirectory> pins;  // none: it is not there
};

// Locks them all, so that nothing is removed if a daemon runs.
Result<std::vector<Place>> open_all(const std::vector<std::string>& paths) {
  std::vector<Place> places;
  for (const std::string& path : paths) {
    auto pins = kernel::PinDirectory::open_existing(path);
    if (!pins && pins.error().code == ErrorCode::kUnavailable) {
      return fail("nothing was detached: systemctl stop headgate, or kill the daemon, then detach",
                  pins.error());
    }
    if (!pins) return tl::unexpected(pins.error());
    places.push_back({path, *std::move(pins)});
  }
  return places;
}

Result<Detached> detach(const PinDirs& where) {
  auto places = open_all(where.paths);
  if (!places) return tl::unexpected(places.error());
  Detached detached{where.paths.front()};
  for (const Place& place : *places) {
    if (place.pins) {
      const auto hooks = place.pins->remove_all();
      if (!hooks) return tl::unexpected(hooks.error());
      detached.hooks += *hooks;
      detached.was_there = true;
      if (place.path != detached.pin_dir) detached.former.push_back(place.path);
    }
    for (const kernel::PinRecord& record : where.records) {
      if (auto struck = record.strike(place.path); !struck) return tl::unexpected(struck.error());
    }
  }
  return detached;
}

int run(const Program& program, const PinOptions& options) {
  const auto where = find_pin_dirs(
      options.pin_dir, options.config,
      {std::filesystem::path(program.socket).parent_path(), kernel::kUsualRuntimeDirectory});
  if (!where) return program.complain(where.error());
  if (!where->note.empty()) {
    std::fprintf(stderr, "headgatectl: %s; looking where the daemon has had its pins\n",
                 where->note.c_str());
  }
  return program.show(detach(*where), detach_text, detach_json);
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
