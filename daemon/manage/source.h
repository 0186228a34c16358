// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "daemon/config/config.h"
#include "daemon/config/overlay.h"
#include "daemon/config/rule_files.h"

namespace headgate::manage {

// A configuration as it was read, with what can be set on top of it.
struct Source {
  std::string path;
  std::string text;                          // of the file, when it was last put in force
  std::vector<config::Setting> persistent;   // from the set file
  std::vector<config::Setting> transient;    // set without `persist`
  std::vector<config::RuleFile> rule_files;  // that it names, then
  config::Config config;                     // all of them together

  // `config` again from the texts and the settings, with the transient ones; reads nothing.
  Result<void> parse();

  static Result<Source> load(const std::string& path);
};

}  // namespace headgate::manage
