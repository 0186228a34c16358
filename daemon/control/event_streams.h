// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <headgate/control/v1/control.pb.h>

#include "daemon/control/seats.h"
#include "daemon/observe/event_hub.h"

namespace headgate::control {

class EventStream;

// The callers that follow the events. Hands each what is new, at most kPollEvery late, on one
// thread for all of them. Thread-safe.
class EventStreams {
 public:
  explicit EventStreams(observe::EventHub& hub);
  ~EventStreams();
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  grpc::ServerWriteReactor<v1::Event>* begin(grpc::CallbackServerContext& context,
                                             const v1::EventsRequest& request);
  // Ends every stream, and those that begin from now on.
  void stop();

  static constexpr std::chrono::milliseconds kPollEvery{50};

 private:
  friend class EventStream;
  static grpc::Status stopping();
  void forget(EventStream& stream);
  void poll();

  observe::EventHub& hub_;
  Seats seats_{observe::EventHub::kMaxFollowers};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<EventStream>> streams_;
  bool is_stopped_ = false;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace headgate::control
