// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/validate.h"

#include <string>
#include <utility>

#include "daemon/config/quota_readers.h"
#include "daemon/quota/engine.h"

namespace headgate::quota {
namespace {

tl::unexpected<Error> bad_request(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

// Which descriptor is meant, for who has sent several.
std::string nth(const Request& request, std::size_t i) {
  return request.descriptors.size() == 1 ? "the descriptor" : "descriptor " + std::to_string(i + 1);
}

Result<void> check_entries(const Request& request, std::size_t i) {
  const std::vector<Entry>& entries = request.descriptors[i].entries;
  if (entries.empty())
    return bad_request(nth(request, i) + " has no entries; at least one is needed");
  if (entries.size() > Engine::kMaxEntries) {
    return bad_request(nth(request, i) + " has " + std::to_string(entries.size()) +
                       " entries; at most " + std::to_string(Engine::kMaxEntries) + " are taken");
  }
  for (const Entry& entry : entries) {
    if (entry.key.empty()) return bad_request(nth(request, i) + " has an entry without a key");
  }
  return {};
}

}  // namespace

Result<void> validate(const Request& request) {
  if (!request.domain.empty() && request.descriptors.empty()) {
    return bad_request("the request has no descriptors");
  }
  return validate_what_is_there(request);
}

Result<void> validate_what_is_there(const Request& request) {
  if (request.domain.empty()) return bad_request("the request names no domain");
  if (request.descriptors.size() > Engine::kMaxDescriptors) {
    return bad_request("the request has " + std::to_string(request.descriptors.size()) +
                       " descriptors; at most " + std::to_string(Engine::kMaxDescriptors) +
                       " are taken");
  }
  for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
    if (auto good = check_entries(request, i); !good) return good;
    const auto& limit = request.descriptors[i].limit;
    if (limit && config::period_of(limit->unit).count() == 0) {
      return bad_request(nth(request, i) + " has a limit without a unit");
    }
  }
  return {};
}

Result<void> validate(std::string_view domain, const UsageReport& report) {
  if (domain.empty()) return bad_request("the report names no domain");
  if (!report.who.user && !report.who.client) {
    return bad_request("the report names neither a user nor a client");
  }
  for (const auto& name : {report.who.user, report.who.client}) {
    if (!name) continue;
    if (name->empty()) return bad_request("the report has an empty name");
  }
  if (report.time.count() < 0) return bad_request("the report has a negative time");
  return {};
}

}  // namespace headgate::quota
