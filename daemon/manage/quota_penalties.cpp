// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/quota_penalties.h"

#include <spdlog/spdlog.h>

#include "daemon/config/error.h"
#include "daemon/config/number.h"
#include "daemon/manage/live_manager.h"

namespace headgate::manage {

void QuotaPenalties::impose(const quota::Engine::Offence& offence) {
  if (waiting_.fetch_add(1) >= kMostWaiting) {
    --waiting_;
    manager_.quotas().forget(offence);
    return;
  }
  lane_.post([this, offence] {
    carry_out(offence);
    --waiting_;
  });
}

void QuotaPenalties::carry_out(const quota::Engine::Offence& offence) {
  // Within kMaxReasonBytes: printable() cuts what is long.
  const std::string reason =
      "quota " + config::printable(offence.domain) + "/" + config::printable(offence.rule);
  const std::string client = offence.client.to_string();
  const std::string length = config::format_duration(offence.deny_for);
  if (auto denied = manager_.deny_for(offence.client, offence.deny_for, reason); !denied) {
    spdlog::warn("cannot deny {} for {} ({}): {}", client, length, reason,
                 denied.error().to_string());
    manager_.quotas().forget(offence);
    return;
  }
  spdlog::info("{} is denied for {}: {} refused it too often", client, length, reason);
}

}  // namespace headgate::manage
