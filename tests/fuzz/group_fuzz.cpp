// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/group.h"
#include "daemon/config/path.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::require;
  namespace config = headgate::config;
  const std::string_view text = headgate::input_text(data, size);

  const auto unit = config::parse_unit(text);
  if (!unit) headgate::require_clean(unit.error());
  if (unit) {
    require(*unit == text, "a unit is taken as it is written");
    require(unit->find('/') == std::string::npos && unit->size() <= config::kMaxUnitBytes,
            "a unit is a name");
  }

  const auto cgroup = config::parse_cgroup(text);
  if (!cgroup) headgate::require_clean(cgroup.error());
  if (cgroup) {
    require(*cgroup == text, "a cgroup is taken as it is written");
    require(config::plain_path(*cgroup) == *cgroup && !cgroup->empty(), "a cgroup is a plain path");
    require(("/" + *cgroup + "/").find("/../") == std::string::npos, "a cgroup leads downwards");
  }
  return 0;
}
