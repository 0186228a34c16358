// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/config/document.h"

namespace headgate::config {

// One value of one rule that stands in for what the file says.
struct Setting {
  std::string rule;
  std::string key;    // "connections.per_client", "mode", "penalty"; not `name`, not `overrides`
  std::string value;  // YAML: "200", "{ rate: 50/s, burst: 10 }"
  // In the settings file; line 0 for one that was just given and stands in no file.
  Position position;
};

// As parse(text, file), with each setting put into the document, in order, before it is read: the
// same checks hold. Messages name the setting that a wrong value came from. Two keys go together:
// a setting of `reply` also makes it `on_limit: reply`, and one of `on_limit` that is not `reply`
// takes the rule's `reply` away. Adds kNotFound for a setting in no file whose rule does not exist.
Result<Config> parse(std::string_view text, const std::string& file,
                     const std::vector<Setting>& settings);

// Adds `setting` to those there are, in place of what it makes pointless: an older one of the same
// key or below it.
void put_setting(std::vector<Setting>& settings, Setting setting);

// How messages name a setting: "set web connections.per_client=200", after its place in `file` if
// it stands there.
std::string origin_of(const Setting& setting, const std::string& file);

// The value of a setting as a tree. Errors are kInvalidArgument and begin with `origin`.
Result<Node> parse_value(const Setting& setting, const std::string& origin);

// `document` with the settings in it; its nodes refer to `origins`, one for each of the settings.
Result<Node> apply_settings(const Node& document, const std::vector<Setting>& settings,
                            const std::vector<std::string>& origins);

}  // namespace headgate::config
