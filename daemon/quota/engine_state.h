// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "daemon/quota/engine.h"
#include "daemon/quota/lender.h"
#include "daemon/quota/offenders.h"
#include "quota/judge.h"

// What the files of the engine share; nobody else includes this.
namespace headgate::quota {

struct Engine::State {
  Clock clock;
  std::atomic<std::shared_ptr<const Policy>> policy;
  Offenders offenders;
  std::function<void(const Offence&)> on_offence;

  Moment now() const { return {clock.wall_ns(), clock.steady_ns()}; }
  // Finds the limits. Null: there is no such domain.
  const Domain* begin(const Request& request, Decision& decision) const;
  static void end(Decision& decision);
  Judged judge_one(const Domain& domain, const Request& request, std::size_t i, const Limit& limit,
                   const Moment& now, Counting counting) const;
  void judge_each(const Domain& domain, const Request& request, Decision& decision,
                  const Moment& now);
  // `lender`, if there is one, takes the permits of limits of concurrency; else they are looked at.
  void judge_together(const Domain& domain, const Request& request, Decision& decision,
                      const Moment& now, Lender* lender);
  void settle(const Domain& domain, const Descriptor& descriptor, std::uint64_t hits,
              const Judged& judged, Verdict& verdict, const Moment& now);
  void note_refusal(const Domain& domain, const Limit& limit, std::string_view value,
                    const Moment& now);
};

inline std::uint64_t hits_of(const Request& request, std::size_t i) {
  return request.descriptors[i].hits.value_or(request.hits);
}

// What the judge has found, for the limit that the verdict has already; in shadow mode it is told
// otherwise.
void take_over(Verdict& verdict, const Ruling& from);

}  // namespace headgate::quota
