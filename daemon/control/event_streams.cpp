// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/event_streams.h"

#include <algorithm>
#include <utility>

#include "daemon/control/event_stream.h"
#include "daemon/control/input.h"
#include "daemon/control/status_code.h"

namespace headgate::control {
namespace {

constexpr int kMaxKinds = 32;

Result<void> check(const v1::EventsRequest& request) {
  if (const auto rule = read_rule(request.rule(), true); !rule) {
    return tl::unexpected(rule.error());
  }
  if (request.kinds_size() <= kMaxKinds) return {};
  return fail(ErrorCode::kInvalidArgument, std::to_string(request.kinds_size()) +
                                               " kinds; at most " + std::to_string(kMaxKinds) +
                                               " would be right");
}

}  // namespace

grpc::Status EventStreams::stopping() {
  return {grpc::StatusCode::UNAVAILABLE, "headgated stops"};
}

EventStreams::EventStreams(observe::EventHub& hub) : hub_(hub), thread_([this] { poll(); }) {}

EventStreams::~EventStreams() {
  stop();
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

grpc::ServerWriteReactor<v1::Event>* EventStreams::begin(grpc::CallbackServerContext& context,
                                                         const v1::EventsRequest& request) {
  const auto stream = std::make_shared<EventStream>(*this, context, request);
  grpc::Status status = grpc::Status::OK;
  if (const auto checked = check(request); !checked) {
    status = to_status(checked.error());
  } else if (!seats_.take(*stream)) {
    status = to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                       std::to_string(observe::EventHub::kMaxFollowers) +
                           " callers follow the events already; no more can");
  } else if (!stream->follow()) {
    status = hub_.is_closed() ? stopping()
                              : to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                          "too many follow the events already; try again");
  }
  {
    const std::lock_guard lock(mutex_);
    if (status.ok() && is_stopped_) status = stopping();
    streams_.push_back(stream);  // keeps it alive until OnDone
  }
  if (status.ok()) {
    stream->StartSendInitialMetadata();  // tells the caller that it follows
    changed_.notify_all();
  } else {
    stream->end(status);
  }
  return stream.get();
}

void EventStreams::forget(EventStream& stream) {
  seats_.leave(stream);
  std::shared_ptr<EventStream> last;  // let go of outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& one) { return one.get() == &stream; });
  if (found == streams_.end()) return;
  last = std::move(*found);
  streams_.erase(found);
}

void EventStreams::stop() {
  std::vector<std::shared_ptr<EventStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    streams = streams_;
  }
  for (const auto& stream : streams) stream->end(stopping());
}

void EventStreams::poll() {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    if (streams_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_for(lock, kPollEvery);
    }
    const auto streams = streams_;
    lock.unlock();
    for (const auto& stream : streams) stream->advance();
    lock.lock();
  }
}

}  // namespace headgate::control
