// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/quota/account.h"
#include "daemon/quota/permit.h"
#include "daemon/quota/policy.h"
#include "quota/judge.h"

namespace headgate::quota {

// Takes the permits of one request, one limit after the other. What it holds when it ends is given
// back, unless somebody has taken the permit over.
class Lender {
 public:
  // `ttl`: none is as the rules say. `permit` holds nothing as yet.
  Lender(std::shared_ptr<Account> account, std::optional<std::chrono::milliseconds> ttl,
         Permit permit)
      : account_(std::move(account)), ttl_(ttl), permit_(std::move(permit)) {}

  Judged lend(const Limit& limit, const std::vector<Entry>& entries, const Moment& now);

  Permit take_permit() { return std::move(permit_); }

 private:
  std::shared_ptr<Account> account_;
  std::optional<std::chrono::milliseconds> ttl_;
  Permit permit_;
};

}  // namespace headgate::quota
