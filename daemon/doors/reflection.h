// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include <grpcpp/server_builder.h>

namespace headgate::doors {

// Server reflection, by which tools such as grpcurl learn what the door serves: as
// grpc.reflection.v1 and v1alpha, which have the same messages. gRPC's own plugin would take a
// thread for each caller, and would add itself to every server of the process.
//
// At most kMaxCallers at once; more are RESOURCE_EXHAUSTED. Outlives the server.
class Reflection {
 public:
  Reflection();
  ~Reflection();
  void register_with(grpc::ServerBuilder& builder);

  static constexpr int kMaxCallers = 64;

 private:
  class Service;
  std::vector<std::unique_ptr<Service>> services_;
};

}  // namespace headgate::doors
