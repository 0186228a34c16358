// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/handlers.h"
#include "daemon/control/input.h"
#include "daemon/control/messages.h"
#include "daemon/control/status_code.h"

namespace headgate::control {
namespace {

void add_settings(const std::vector<config::Setting>& settings, bool is_persistent,
                  v1::DiffResponse* response) {
  for (const config::Setting& setting : settings) {
    v1::Setting* message = response->add_settings();
    message->set_rule(setting.rule);
    message->set_key(setting.key);
    message->set_value(setting.value);
    message->set_is_persistent(is_persistent);
  }
}

}  // namespace

grpc::Status Handlers::reload(const v1::ReloadRequest&, v1::ReloadResponse* response) {
  const auto report = manager_.reload();
  if (!report) return reload_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::set(const v1::SetRequest& request, v1::ReloadResponse* response) {
  const auto setting = read_setting(request);
  if (!setting) return to_status(setting.error());
  const auto report = manager_.set(*setting, request.persist());
  if (!report) return to_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::unset(const v1::UnsetRequest& request, v1::ReloadResponse* response) {
  const auto rule = read_rule(request.rule(), false);
  if (!rule) return to_status(rule.error());
  const auto key = read_key(request.key());
  if (!key) return to_status(key.error());
  const auto report = manager_.unset(*rule, *key, request.persist());
  if (!report) return to_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::verify(const v1::VerifyRequest& request, v1::VerifyResponse* response) {
  const auto report = manager_.verify(request.repair());
  if (!report) return to_status(report.error());
  fill(response, *report);
  return grpc::Status::OK;
}

grpc::Status Handlers::diff(const v1::DiffRequest&, v1::DiffResponse* response) const {
  const auto difference = manager_.diff();
  if (!difference) return reload_status(difference.error());
  for (const config::Change& change : difference->changes) fill(response->add_changes(), change);
  add_settings(difference->persistent, true, response);
  add_settings(difference->transient, false, response);
  return grpc::Status::OK;
}

}  // namespace headgate::control
