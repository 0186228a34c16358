// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <grpcpp/grpcpp.h>
#include <headgate/control/v1/control.pb.h>

#include "daemon/control/unary_answer.h"
#include "daemon/manage/manager.h"

namespace headgate::control {

// The deny list as it was when the call came, in messages of kEntriesEach. Lives until the caller
// has got it or hung up.
class DenyListStream final : public grpc::ServerWriteReactor<v1::DenyListResponse>,
                             private Occupant {
 public:
  static constexpr std::size_t kEntriesEach = 1000;

  static DenyListStream* begin(grpc::CallbackServerContext& context, Desk& desk,
                               const manage::Manager& manager);

 private:
  DenyListStream(grpc::CallbackServerContext& context, Desk& desk)
      : context_(context), desk_(desk) {}

  void start(const manage::Manager& manager);
  void write_next();
  void give_up() override { context_.TryCancel(); }
  void OnWriteDone(bool is_good) override;
  void OnDone() override;

  grpc::CallbackServerContext& context_;
  Desk& desk_;
  std::vector<manage::DenyListed> entries_;
  std::size_t written_ = 0;
  v1::DenyListResponse message_;
};

}  // namespace headgate::control
