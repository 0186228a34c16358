// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/event_stream.h"

#include <utility>

#include "daemon/control/messages.h"

namespace headgate::control {

EventStream::EventStream(EventStreams& streams, grpc::CallbackServerContext& context,
                         const v1::EventsRequest& request)
    : streams_(streams),
      context_(context),
      rule_(request.rule()),
      kinds_(request.kinds().begin(), request.kinds().end()) {}

bool EventStream::follow() {
  const std::lock_guard lock(mutex_);
  follower_ = streams_.hub_.follow();
  return follower_ != nullptr;
}

void EventStream::advance() {
  Step step = Step::kNothing;
  {
    const std::lock_guard lock(mutex_);
    step = choose();
  }
  take(step);
}

void EventStream::end(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    be_over(status);
  }
  advance();
}

void EventStream::give_up() {
  {
    const std::lock_guard lock(mutex_);
    be_over(grpc::Status::CANCELLED);
  }
  context_.TryCancel();  // ends the write that is under way
}

// Under the lock. The first reason for the end is the one that counts.
void EventStream::be_over(const grpc::Status& status) {
  if (!is_over_) status_ = status;
  is_over_ = true;
  follower_.reset();
}

EventStream::Step EventStream::choose() {
  if (is_writing_ || is_finished_) return Step::kNothing;
  while (!is_over_) {
    std::uint64_t lost = 0;
    const auto event = streams_.hub_.next(*follower_, std::chrono::milliseconds(0), lost);
    if (!event) {
      if (!streams_.hub_.is_closed()) return Step::kNothing;
      be_over(EventStreams::stopping());
      break;
    }
    lost_ += lost;
    if (!is_wanted(*event)) continue;
    message_.Clear();
    fill(&message_, *event);
    message_.set_lost(std::exchange(lost_, 0));
    is_writing_ = true;
    waits_for_caller();
    return Step::kWrite;
  }
  is_finished_ = true;
  return Step::kFinish;
}

// Nothing of `this` is touched after the last call of gRPC: it may be gone.
void EventStream::take(Step step) {
  if (step == Step::kWrite) StartWrite(&message_);
  if (step == Step::kFinish) Finish(status_);
}

bool EventStream::is_wanted(const observe::Event& event) const {
  return (rule_.empty() || rule_ == event.rule) && (kinds_.empty() || kinds_.contains(event.kind));
}

void EventStream::OnWriteDone(bool is_good) {
  {
    const std::lock_guard lock(mutex_);
    is_writing_ = false;
    has_been_read();
    if (!is_good) be_over(grpc::Status::CANCELLED);
  }
  advance();
}

void EventStream::OnCancel() {
  end(grpc::Status::CANCELLED);
}

void EventStream::OnDone() {
  streams_.forget(*this);
}

}  // namespace headgate::control
