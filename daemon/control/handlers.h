// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include <headgate/control/v1/control.grpc.pb.h>

#include "daemon/control/server.h"
#include "daemon/observe/snapshot.h"

namespace headgate::control {

// Answers the control API from snapshots. Thread-safe.
class Handlers final : public v1::Control::Service {
 public:
  Handlers(const observe::Observer& observer, Identity identity)
      : observer_(observer), identity_(std::move(identity)) {}

  grpc::Status Status(grpc::ServerContext* context, const v1::StatusRequest* request,
                      v1::StatusResponse* response) override;
  grpc::Status Clients(grpc::ServerContext* context, const v1::ClientsRequest* request,
                       v1::ClientsResponse* response) override;

 private:
  const observe::Observer& observer_;
  Identity identity_;
};

}  // namespace headgate::control
