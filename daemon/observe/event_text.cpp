// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_text.h"

#include <chrono>

#include "common/ip.h"
#include "daemon/kernel/address.h"
#include "daemon/observe/snapshot.h"

namespace headgate::observe {
namespace {

const char* kind_of(const hg_event& event) {
  switch (event.type) {
    case HG_EVENT_REFUSED:
      return event.action == HG_ACTION_NONE ? "would_refuse" : "refused";
    case HG_EVENT_OVERSHOOT:
      return "closed";
    case HG_EVENT_TABLE_FULL:
      return "uncounted";
    case HG_EVENT_PENALTY:
      return "penalty";
    default:
      return "unknown";
  }
}

std::string endpoint(const IpAddress& address, std::uint16_t port) {
  const bool is_ipv6 = address.family() == IpFamily::kIpv6;
  return (is_ipv6 ? "[" : "") + address.to_string() + (is_ipv6 ? "]:" : ":") + std::to_string(port);
}

}  // namespace

Event to_event(const hg_event& event, const std::string& rule_name) {
  Event told;
  told.time = std::chrono::system_clock::now();
  told.kind = kind_of(event);
  told.rule = rule_name;
  told.client = kernel::to_ip(event.remote).to_string();
  told.client_port = event.remote_port;
  told.server = endpoint(kernel::to_ip(event.local), event.local_port);
  if (event.reason < reason_labels().size()) told.reason = reason_labels()[event.reason];
  if (event.type == HG_EVENT_REFUSED && event.action < action_labels().size()) {
    told.action = action_labels()[event.action];
  }
  if (event.type == HG_EVENT_PENALTY) {
    told.text = "denied for " + std::to_string(event.seconds) + " s";
  }
  told.suppressed = event.suppressed;
  return told;
}

std::string to_log_line(const Event& event) {
  std::string line = event.kind;
  const auto add = [&line](const char* key, const std::string& value) {
    if (!value.empty()) line += std::string(" ") + key + "=" + value;
  };
  add("rule", event.rule);
  add("client", event.client);
  if (event.client_port > 0) add("port", std::to_string(event.client_port));
  add("server", event.server);
  add("reason", event.reason);
  add("action", event.action);
  if (!event.text.empty()) line += " (" + event.text + ")";
  if (event.suppressed > 0) add("suppressed", std::to_string(event.suppressed));
  return line;
}

}  // namespace headgate::observe
