// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <headgate/control/v1/control.pb.h>

#include "cli/colour.h"
#include "daemon/kernel/probe.h"

// How answers look: as text for a reader, or as one JSON document for a program. JSON uses the
// field names of control.proto, numbers for all integers, and leaves out limits that are not set.
// Every result ends in a newline.
namespace headgate::cli {

std::string status_text(const control::v1::StatusResponse& status, Colour colour);
std::string status_json(const control::v1::StatusResponse& status);
std::string clients_text(const control::v1::ClientsResponse& clients);
std::string clients_json(const control::v1::ClientsResponse& clients);
// `repair`: it was to be repaired.
std::string verify_text(const control::v1::VerifyResponse& found, bool repair, Colour colour);
std::string verify_json(const control::v1::VerifyResponse& found);

// What `detach` has done.
struct Detached {
  std::string pin_dir;
  bool was_there = false;  // the directory, or a former one
  std::uint64_t hooks = 0;
  std::vector<std::string> former = {};  // directories that were `pin_dir` before
};
std::string detach_text(const Detached& detached);
std::string detach_json(const Detached& detached);

std::string doctor_text(const std::vector<kernel::Requirement>& requirements, Colour colour);
std::string doctor_json(const std::vector<kernel::Requirement>& requirements);

// What a reload, a set or an unset has done.
std::string reload_text(const control::v1::ReloadResponse& reload, Colour colour);
std::string reload_json(const control::v1::ReloadResponse& reload);
std::string diff_text(const control::v1::DiffResponse& diff, Colour colour);
std::string diff_json(const control::v1::DiffResponse& diff);

// `now` tells how long entries still last.
using Now = std::chrono::system_clock::time_point;
std::string deny_list_text(const std::vector<control::v1::DenyListed>& list, Now now);
std::string deny_list_json(const std::vector<control::v1::DenyListed>& list);
std::string deny_text(const control::v1::DenyResponse& response, bool has_evicted);
std::string deny_json(const control::v1::DenyResponse& response);
std::string evict_text(const control::v1::EvictResponse& response);
std::string evict_json(const control::v1::EvictResponse& response);

std::string explain_text(const control::v1::ExplainResponse& explanation, Now now, Colour colour);
std::string explain_json(const std::vector<control::v1::ExplainResponse>& explanations);

std::string quota_list_text(const control::v1::QuotaDomainsResponse& answer);
std::string quota_show_text(const control::v1::QuotaDomainsResponse& answer, Colour colour);
std::string quota_domains_json(const control::v1::QuotaDomainsResponse& answer);
std::string quota_check_text(const control::v1::QuotaCheckRequest& request,
                             const control::v1::QuotaCheckResponse& answer, Colour colour);
std::string quota_check_json(const control::v1::QuotaCheckResponse& answer);
std::string quota_top_text(const control::v1::QuotaTopResponse& answer);
std::string quota_top_json(const control::v1::QuotaTopResponse& answer);

// One line for each event; in JSON, too.
std::string event_text(const control::v1::Event& event, Colour colour);
std::string event_json(const control::v1::Event& event);

std::string error_json(const std::string& message);

}  // namespace headgate::cli
