// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "common/lane.h"
#include "daemon/control/seats.h"

namespace headgate::control {

// Where calls of one kind are answered, one after another.
struct Desk {
  explicit Desk(std::size_t calls) : seats(calls) {}

  Seats seats;  // declared first: the lane's jobs use it to the end
  Lane lane;
};

// Says no to a caller for whom there is no room.
inline grpc::Status busy() {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls of this kind at once; try again"};
}

// One call with one answer. Lives until the caller has got it.
class UnaryAnswer final : public grpc::ServerUnaryReactor, private Occupant {
 public:
  // `work` runs on the desk's lane, unless the caller has hung up before its turn.
  static UnaryAnswer* begin(grpc::CallbackServerContext& context, Desk& desk,
                            std::function<grpc::Status()> work) {
    auto* const answer = new UnaryAnswer(context, desk);  // deletes itself: OnDone
    if (!desk.seats.take(*answer)) {
      answer->Finish(busy());
      return answer;
    }
    desk.lane.post([answer, work = std::move(work)] {
      const auto status = answer->context_.IsCancelled() ? grpc::Status::CANCELLED : work();
      answer->waits_for_caller();
      answer->Finish(status);
    });
    return answer;
  }

 private:
  UnaryAnswer(grpc::CallbackServerContext& context, Desk& desk) : context_(context), desk_(desk) {}

  void give_up() override { context_.TryCancel(); }
  void OnDone() override {
    desk_.seats.leave(*this);
    delete this;
  }

  grpc::CallbackServerContext& context_;
  Desk& desk_;
};

}  // namespace headgate::control
