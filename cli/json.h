// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <headgate/control/v1/control.pb.h>
#include <nlohmann/json.hpp>

namespace headgate::cli {

using Json = nlohmann::ordered_json;

// A text can hold any bytes that the daemon sends; never fails on them.
inline std::string dump_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}
inline std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const control::v1::DenyListed& listed);

}  // namespace headgate::cli
