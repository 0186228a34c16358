// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "daemon/control/handlers.h"
#include "daemon/control/input.h"
#include "daemon/control/messages.h"
#include "daemon/control/status_code.h"

namespace headgate::control {

grpc::Status Handlers::deny_add(const v1::DenyAddRequest& request, v1::DenyResponse* response) {
  const auto entries = read_deny_entries(request.entries(), std::chrono::system_clock::now());
  if (!entries) return to_status(entries.error());
  const auto report = manager_.deny_add(*entries, request.evict());
  if (!report) return to_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::deny_remove(const v1::DenyRemoveRequest& request,
                                   v1::DenyResponse* response) {
  const auto cidrs = read_cidrs(request.cidrs());
  if (!cidrs) return to_status(cidrs.error());
  const auto report = manager_.deny_remove(*cidrs);
  if (!report) return to_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::evict(const v1::EvictRequest& request, v1::EvictResponse* response) {
  const auto cidr = read_cidr(request.cidr());
  if (!cidr) return to_status(cidr.error());
  const auto rule = read_rule(request.rule(), true);
  if (!rule) return to_status(rule.error());
  const auto report = manager_.evict(*cidr, *rule, request.only_excess());
  if (!report) return to_status(report.error());
  response->set_closed(report->closed);
  response->set_gone(report->gone);
  return grpc::Status::OK;
}

}  // namespace headgate::control
