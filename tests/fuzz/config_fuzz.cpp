// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemon/config/listen.h"
#include "daemon/config/parse.h"
#include "daemon/policy/policy.h"

namespace headgate {
namespace {

// What is printed for an entry must be the same entry when it is read again.
void check_listen_round_trip(const config::Config& config) {
  for (const config::Rule& rule : config.rules) {
    for (const config::Listen& listen : rule.listen) {
      const Result<config::Listen> again = config::parse_listen(config::to_string(listen));
      if (!again || again->address != listen.address || again->first_port != listen.first_port ||
          again->last_port != listen.last_port) {
        std::abort();
      }
    }
  }
}

// Bad input is the caller's fault and says where; anything else would be ours.
template <typename T>
void check_error(const Result<T>& result) {
  if (result) return;
  const Error& error = result.error();
  if (error.code != ErrorCode::kInvalidArgument || !error.message.starts_with("f:")) std::abort();
}

}  // namespace
}  // namespace headgate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = headgate::config::parse(text, "f");
  headgate::check_error(config);
  if (!config) return 0;
  headgate::check_listen_round_trip(*config);
  headgate::check_error(headgate::policy::compile(*config, "f"));
  return 0;
}
