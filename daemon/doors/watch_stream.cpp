// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/watch_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/doors/native.h"
#include "quota/judge.h"

namespace headgate::doors {

void WatchStream::look() {
  {
    const std::lock_guard lock(mutex_);
    wants_look_ = true;
  }
  go_on();
}

void WatchStream::look_at_what_learns() {
  {
    const std::lock_guard lock(mutex_);
    if (!learns_) return;
    wants_look_ = true;
  }
  go_on();
}

void WatchStream::end(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (!end_) end_ = status;
  }
  go_on();
}

void WatchStream::OnWriteDone(bool ok) {
  {
    const std::lock_guard lock(mutex_);
    is_writing_ = false;
    state_ = {};
    if (!ok && !end_) end_ = grpc::Status::CANCELLED;
  }
  go_on();
}

// The stream may be gone when this returns.
void WatchStream::OnDone() {
  const auto at_end = std::move(at_end_);
  at_end(*this);
}

// One thread finds that something is to be said to gRPC, notes that it is, and says it without the
// lock, which gRPC may ask for in turn. Nothing else is said until a write has ended, so the stream
// is there for as long as somebody writes.
void WatchStream::go_on() {
  bool ends = false;
  {
    const std::lock_guard lock(mutex_);
    if (has_ended_ || is_writing_) return;
    ends = end_.has_value();
    if (ends) {
      has_ended_ = true;
    } else {
      if (!std::exchange(wants_look_, false) || !has_news()) return;
      is_writing_ = true;
    }
  }
  if (ends) return Finish(*end_);
  StartWrite(&state_);
}

bool WatchStream::has_news() {
  const auto now = engine_.limits(request_);
  if (!now) return false;  // it was valid, and still is
  learns_ = std::any_of(now->limits.begin(), now->limits.end(), [](const auto& one) {
    return one.permits > 0 && quota::is_adaptive(one.limit->settings);
  });
  headgate::quota::v1::WatchResponse state;
  native::fill(&state, *now);
  const std::size_t hash = std::hash<std::string>{}(state.SerializeAsString());
  if (sent_hash_ == hash) return false;
  sent_hash_ = hash;
  state_ = std::move(state);
  return true;
}

}  // namespace headgate::doors
