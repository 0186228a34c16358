// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/listen.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::require;
  const std::string_view text = headgate::input_text(data, size);
  const auto endpoint = headgate::config::parse_endpoint(text);
  if (!endpoint) headgate::require_clean(endpoint.error());
  const auto listen = headgate::config::parse_listen(text);
  if (!listen) {
    headgate::require_clean(listen.error());
    return 0;
  }
  require(listen->first_port >= 1 && listen->first_port <= listen->last_port, "ports are in order");
  const auto again = headgate::config::parse_listen(headgate::config::to_string(*listen));
  require(again && again->address == listen->address && again->first_port == listen->first_port &&
              again->last_port == listen->last_port && again->is_udp == listen->is_udp,
          "an entry is read as it is written");
  return 0;
}
