// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/lender.h"

namespace headgate::quota {

Judged Lender::lend(const Limit& limit, const std::vector<Entry>& entries, const Moment& now) {
  TableView& table = account_->table();
  const Key key = key_of(limit, entries, table.seed());
  const std::optional<std::size_t> lease = account_->borrow_lease();
  if (!lease) {
    Judged refused;
    refused.ruling.is_over = true;
    refused.ruling.allowed = permits_of(limit.settings, table.find(key.fingerprint).slot);
    refused.ruling.retry_after = kPermitHint;
    refused.has_no_room = true;
    return refused;
  }
  const std::chrono::nanoseconds ttl = ttl_.value_or(limit.settings.lease_ttl);
  const std::uint64_t end =
      ttl.count() > 0 ? now.steady_ns + static_cast<std::uint64_t>(ttl.count()) : 0;
  Judged judged = quota::lend(limit, table, account_->semaphore(), key, *lease, end, now);
  if (judged.ruling.is_over) {
    account_->return_lease(*lease);
  } else {
    permit_.add({account_, *lease, judged.life, key.fingerprint, limit.settings,
                 static_cast<std::uint32_t>(judged.counted)});
  }
  return judged;
}

}  // namespace headgate::quota
