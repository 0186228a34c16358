// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/acquire_stream.h"

#include <optional>
#include <utility>

#include "daemon/doors/durations.h"
#include "daemon/doors/native.h"
#include "daemon/rpc/status_code.h"

namespace headgate::doors {
namespace {

using headgate::quota::v1::AcquireRequest;

grpc::Status wrong(const char* message) {
  return rpc::to_status(grpc::StatusCode::INVALID_ARGUMENT, message);
}

}  // namespace

AcquireStream::AcquireStream(quota::Engine& engine, Latency& latency, std::atomic<int>& holders)
    : engine_(engine), latency_(latency), holders_(holders) {
  StartRead(&message_);
}

// What was asked for is answered at once; what comes afterwards says how it went.
void AcquireStream::OnReadDone(bool ok) {
  if (!ok) {
    if (was_told_) {
      permit_.end(outcome_);
    } else {
      permit_.drop();
    }
    Finish(has_asked_ ? grpc::Status::OK : wrong("the stream ended before anything was asked for"));
    return;
  }
  // A stream may last for long: what it has said is not kept.
  AcquireRequest message;
  message.Swap(&message_);
  if (!has_asked_) {
    const Timed timed(latency_);
    const grpc::Status taken = take(message);
    if (!taken.ok()) return Finish(taken);
    StartWrite(&answer_);
    return;
  }
  if (!message.has_outcome() || was_told_) {
    permit_.drop();
    return Finish(wrong("an outcome, once, is all that may follow the request"));
  }
  const auto latency = message.outcome().has_latency() ? time_of(message.outcome().latency())
                                                       : std::optional<std::chrono::nanoseconds>();
  if (message.outcome().has_latency() && (!latency || latency->count() < 0)) {
    permit_.drop();
    return Finish(wrong("the outcome has a latency that is out of range"));
  }
  outcome_ = {latency, message.outcome().has_failed()};
  was_told_ = true;
  StartRead(&message_);
}

grpc::Status AcquireStream::take(const AcquireRequest& message) {
  if (!message.has_request()) return wrong("the first message must be the request");
  has_asked_ = true;
  const auto& request = message.request();
  std::optional<std::chrono::milliseconds> ttl;
  if (request.has_ttl()) {
    const auto time = time_of(request.ttl());
    if (!time || time->count() <= 0) return wrong("the request has a ttl that is out of range");
    ttl = std::chrono::ceil<std::chrono::milliseconds>(*time);
  }
  auto acquired = engine_.acquire(native::read(request), ttl);
  if (!acquired) return rpc::to_status(acquired.error());
  permit_ = std::move(acquired->permit);
  // Who only keeps a stream open takes no place from who holds something.
  is_holder_ = permit_.holds_anything();
  if (is_holder_ && holders_.fetch_add(1) >= kMostHolders) {
    permit_.drop();
    return rpc::to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                          "too many streams hold permits; some must end first");
  }
  is_allowed_ = !acquired->decision.is_over;
  native::fill(answer_.mutable_decision(), acquired->decision);
  answer_.set_holds_permits(permit_.holds_anything());
  return grpc::Status::OK;
}

void AcquireStream::OnWriteDone(bool ok) {
  if (!ok || !is_allowed_) return Finish(grpc::Status::OK);
  StartRead(&message_);
}

void AcquireStream::OnDone() {
  if (is_holder_) --holders_;
  delete this;
}

}  // namespace headgate::doors
