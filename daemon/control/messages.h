// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <headgate/control/v1/control.pb.h>

#include "daemon/manage/manager.h"

// From the daemon's types to the messages of control.proto.
namespace headgate::control {

void fill(v1::Rule* message, const observe::RuleSnapshot& rule);
void fill(v1::Front* message, const observe::FrontSnapshot& front);
void fill(v1::Client* message, const observe::ClientSnapshot& client);
void fill(v1::Change* message, const config::Change& change);
void fill(v1::ReloadResponse* message, const manage::ReloadReport& report);
void fill(v1::VerifyResponse* message, const manage::VerifyReport& report);
void fill(v1::DenyResponse* message, const manage::DenyReport& report);
void fill(v1::DenyListed* message, const manage::DenyListed& listed);
void fill(v1::ExplainResponse* message, const manage::Explanation& explanation);
void fill(v1::Event* message, const observe::Event& event);
// messages_quota.cpp
void fill(v1::QuotaLimit* message, const quota::Limit& limit);
void fill(v1::ClientQuota* message, const config::ClientQuota& quota);
void fill(v1::QuotaCheckResponse* message, const quota::Verdict& verdict);
void fill(v1::QuotaKey* message, const quota::KeyUse& use);

// Since 1970, rounded down.
std::int64_t unix_seconds(std::chrono::system_clock::time_point time);

}  // namespace headgate::control
