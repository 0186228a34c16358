// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_text.h"

#include "common/ip.h"
#include "daemon/kernel/address.h"
#include "daemon/observe/snapshot.h"

namespace headgate::observe {
namespace {

const char* verb(std::uint16_t type) {
  switch (type) {
    case HG_EVENT_REFUSED:
      return "refused";
    case HG_EVENT_OVERSHOOT:
      return "closed";
    case HG_EVENT_TABLE_FULL:
      return "uncounted";
    default:
      return "unknown";
  }
}

}  // namespace

std::string to_log_line(const hg_event& event, const std::string& rule_name) {
  const IpAddress local = kernel::to_ip(event.local);
  const bool is_ipv6 = local.family() == IpFamily::kIpv6;
  std::string line = std::string(verb(event.type)) + " rule=" + rule_name +
                     " client=" + kernel::to_ip(event.remote).to_string() +
                     " port=" + std::to_string(event.remote_port) +
                     " server=" + (is_ipv6 ? "[" : "") + local.to_string() +
                     (is_ipv6 ? "]:" : ":") + std::to_string(event.local_port);
  if (event.reason < reason_labels().size()) line += " reason=" + reason_labels()[event.reason];
  if (event.suppressed > 0) line += " suppressed=" + std::to_string(event.suppressed);
  return line;
}

}  // namespace headgate::observe
