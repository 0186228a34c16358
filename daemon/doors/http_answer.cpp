// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/http_answer.h"

#include <utility>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include "daemon/doors/rls.h"

namespace headgate::doors {
namespace {

Header json_type() {
  return {"content-type", "application/json"};
}

HttpAnswer refuse_method(const char* allowed) {
  HttpAnswer answer = http_error(405, std::string("only ") + allowed + " is answered here");
  answer.headers.push_back({"allow", allowed});
  return answer;
}

HttpAnswer check(quota::Engine& engine, std::string_view body) {
  namespace util = google::protobuf::util;
  rls::v3::RateLimitRequest request;
  util::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;
  if (const auto parsed = util::JsonStringToMessage({body.data(), body.size()}, &request, lenient);
      !parsed.ok()) {
    return http_error(400, "the body is no RateLimitRequest in JSON: " + parsed.ToString());
  }
  rls::v3::RateLimitResponse response;
  auto outcome = rls::check(engine, request, &response);
  if (!outcome) {
    const bool is_wrong = outcome.error().code == ErrorCode::kInvalidArgument;
    return http_error(is_wrong ? 400 : 503, outcome.error().to_string());
  }
  HttpAnswer answer;
  answer.status = outcome->is_over ? 429 : 200;
  answer.headers = std::move(outcome->headers);
  answer.headers.push_back(json_type());
  if (!util::MessageToJsonString(response, &answer.body).ok()) {
    return http_error(503, "the answer cannot be written");
  }
  return answer;
}

}  // namespace

HttpAnswer http_answer(quota::Engine& engine, std::string_view method, std::string_view path,
                       std::string_view body) {
  if (path == "/json") {
    return method == "POST" ? check(engine, body) : refuse_method("POST");
  }
  if (path == "/healthcheck") {
    if (method != "GET" && method != "HEAD") return refuse_method("GET, HEAD");
    return {200, {{"content-type", "text/plain"}}, "OK"};
  }
  return http_error(404, "there is /json and /healthcheck");
}

HttpAnswer http_error(int status, std::string_view message) {
  // A string of JSON, as protobuf writes it. It may quote a request, which may be any bytes.
  google::protobuf::StringValue text;
  std::string quoted;
  for (const char c : message) *text.mutable_value() += static_cast<signed char>(c) < 0 ? '?' : c;
  if (!google::protobuf::util::MessageToJsonString(text, &quoted).ok()) quoted = "\"\"";
  return {status, {json_type()}, "{\"error\":" + quoted + "}"};
}

}  // namespace headgate::doors
