// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <headgate/control/v1/control.pb.h>

#include "common/result.h"
#include "daemon/manage/manager.h"

// What callers of the control API send, checked and given its type. Errors are kInvalidArgument and
// name what is wrong, in a list as "entry 17: …", the first few of them. Pure.
namespace headgate::control {

inline constexpr std::size_t kMaxEntries = 1'000'000;  // of one call that changes the deny list

// An entry that is there twice counts as the last of them: a re-added one gets the new expiry.
Result<std::vector<manage::DenyEntry>> read_deny_entries(
    const google::protobuf::RepeatedPtrField<v1::DenyEntry>& entries,
    std::chrono::system_clock::time_point now);
// One that is there twice counts once.
Result<std::vector<Prefix>> read_cidrs(
    const google::protobuf::RepeatedPtrField<std::string>& cidrs);

Result<Prefix> read_cidr(const std::string& text);
Result<IpAddress> read_address(const std::string& text);
// A name that a rule can have. `text` empty: "" if that stands for every rule.
Result<std::string> read_rule(const std::string& text, bool may_be_empty);
// A network namespace as a configuration can name it; "" if that stands for the first or for all.
Result<std::string> read_netns(const std::string& text);
Result<std::string> read_key(const std::string& text);
Result<config::Setting> read_setting(const v1::SetRequest& request);
Result<manage::Target> read_target(const v1::ExplainRequest& request);
Result<observe::ClientQuery> read_query(const v1::ClientsRequest& request);

}  // namespace headgate::control
