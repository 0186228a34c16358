// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota_doors.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace headgate {
namespace {

bool are_needed(const config::Quotas& quotas) {
  return !quotas.domains.empty();
}

}  // namespace

Result<void> QuotaDoors::prepare(const config::Config& config) {
  if (!are_needed(config.quotas)) return {};
  return doors::Doors::prepare(config.quotas);
}

Result<void> QuotaDoors::follow() {
  const config::Quotas quotas = manager_.config().quotas;
  const std::lock_guard lock(mutex_);
  if (doors_) doors_->follow_rules();
  if (doors_ || is_closed_ || !are_needed(quotas)) return {};
  if (auto prepared = doors::Doors::prepare(quotas); !prepared) return prepared;
  auto opened = doors::Doors::open(quotas, manager_.quotas());
  if (!opened) return tl::unexpected(opened.error());
  doors_ = *std::move(opened);
  if (metrics_ != nullptr) metrics_->add(doors_->latency());
  if (doors::is_open_to_the_network(quotas)) {
    spdlog::warn(
        "anybody who reaches this host may use up the quotas of others, and have them denied where "
        "a rule has a penalty: quotas.grpc.tls with client_ca, and quotas.http.listen on an "
        "address of this host alone, would be right");
  }
  return {};
}

void QuotaDoors::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  doors_.reset();
}

std::string describe_doors(const config::Quotas& quotas) {
  if (!are_needed(quotas)) return "quotas off";
  std::string text = "quotas " + quotas.socket;
  if (const auto memory = config::memory_socket_of(quotas)) text += ", memory " + *memory;
  if (quotas.grpc_listen) text += ", gRPC " + *quotas.grpc_listen;
  if (quotas.http_listen) text += ", HTTP " + *quotas.http_listen;
  return text;
}

}  // namespace headgate
