// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/doors/headers.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

struct HttpAnswer {
  int status = 0;
  std::vector<Header> headers;
  std::string body;
};

// What the HTTP door says:
//
//   POST /json         the rate limit service of Envoy's API with bodies in protobuf's JSON, names
//   of
//                      fields as `hitsAddend` or `hits_addend`, unknown ones ignored: 200 within
//                      the limits, 429 over one, 400 for a request that is wrong; 503 if it could
//                      not be judged, which then was not counted
//   GET /healthcheck   200 OK
//
// An error's body is JSON, too: {"error": "…"}. `path` is without query. Thread-safe.
HttpAnswer http_answer(quota::Engine& engine, std::string_view method, std::string_view path,
                       std::string_view body);

// An error that is found before there is a whole request.
HttpAnswer http_error(int status, std::string_view message);

}  // namespace headgate::doors
