// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <grpcpp/grpcpp.h>
#include <headgate/control/v1/control.pb.h>

#include "daemon/control/event_streams.h"

namespace headgate::control {

// One caller that follows the events, until it hangs up, gives way to another or the daemon ends.
// Thread-safe. Invariant: at most one write is under way, and after Finish none begins.
class EventStream final : public grpc::ServerWriteReactor<v1::Event>, public Occupant {
 public:
  EventStream(EventStreams& streams, grpc::CallbackServerContext& context,
              const v1::EventsRequest& request);

  // Follows from now on; false: the hub takes no more.
  bool follow();
  // Sends the next event if there is one and nothing is under way.
  void advance();
  void end(const grpc::Status& status);
  void give_up() override;

 private:
  // What a follower has to do next, chosen under the lock and done outside it.
  enum class Step { kNothing, kWrite, kFinish };
  Step choose();
  void be_over(const grpc::Status& status);
  void take(Step step);
  bool is_wanted(const observe::Event& event) const;
  void OnWriteDone(bool is_good) override;
  void OnCancel() override;
  void OnDone() override;

  EventStreams& streams_;
  grpc::CallbackServerContext& context_;
  const std::string rule_;
  const std::set<std::string> kinds_;

  std::mutex mutex_;
  std::shared_ptr<observe::EventHub::Follower> follower_;  // let go of when it is over
  bool is_writing_ = false;
  bool is_over_ = false;  // to be finished with status_ once nothing is under way
  bool is_finished_ = false;
  grpc::Status status_;
  std::uint64_t lost_ = 0;  // before the next event that is wanted
  v1::Event message_;
};

}  // namespace headgate::control
