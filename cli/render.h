// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <headgate/control/v1/control.pb.h>

#include "daemon/kernel/probe.h"

namespace headgate::cli {

// How answers look: as text for a reader, or as one JSON document for a program. JSON uses the
// field names of control.proto, numbers for all integers, and leaves out limits that are not set.
// Every result ends in a newline.
std::string status_text(const control::v1::StatusResponse& status);
std::string status_json(const control::v1::StatusResponse& status);
std::string clients_text(const control::v1::ClientsResponse& clients);
std::string clients_json(const control::v1::ClientsResponse& clients);
std::string doctor_text(const std::vector<kernel::Requirement>& requirements, bool use_colour);
std::string doctor_json(const std::vector<kernel::Requirement>& requirements);

}  // namespace headgate::cli
