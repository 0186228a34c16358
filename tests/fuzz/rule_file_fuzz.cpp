// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/difference.h"
#include "daemon/config/rule_files.h"
#include "daemon/config/warnings.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate;
  config::Config config;
  const auto added =
      config::add_rule_files({{"f", std::string(input_text(data, size))}}, config.quotas);
  if (!added) {
    require_clean(added.error());
    require(added.error().message.starts_with("f:"), "a message has its place");
    require(config.quotas.domains.empty(), "a file that is wrong adds nothing");
    return 0;
  }
  require(config.quotas.domains.size() == 1, "a file is a domain");
  require(!config.quotas.domains.front().name.empty(), "a domain has a name");
  require(config::difference(config, config).empty(), "a domain does not differ from itself");
  require(config::difference({}, config).size() == 1, "a domain is one change");
  (void)config::warnings(config, "f");
  return 0;
}
