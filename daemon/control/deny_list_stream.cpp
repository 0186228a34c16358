// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/deny_list_stream.h"

#include <algorithm>
#include <utility>

#include "daemon/control/messages.h"
#include "daemon/control/status_code.h"

namespace headgate::control {

DenyListStream* DenyListStream::begin(grpc::CallbackServerContext& context, Desk& desk,
                                      const manage::Manager& manager) {
  auto* const stream = new DenyListStream(context, desk);  // deletes itself: OnDone
  if (desk.seats.take(*stream)) {
    desk.lane.post([stream, &manager] { stream->start(manager); });
  } else {
    stream->Finish(busy());
  }
  return stream;
}

void DenyListStream::start(const manage::Manager& manager) {
  if (context_.IsCancelled()) return Finish(grpc::Status::CANCELLED);
  auto entries = manager.deny_list();
  if (!entries) return Finish(to_status(entries.error()));
  entries_ = *std::move(entries);
  write_next();
}

void DenyListStream::write_next() {
  waits_for_caller();
  if (written_ == entries_.size()) return Finish(grpc::Status::OK);
  message_.Clear();
  const std::size_t end = std::min(written_ + kEntriesEach, entries_.size());
  for (; written_ < end; ++written_) fill(message_.add_entries(), entries_[written_]);
  StartWrite(&message_);
}

void DenyListStream::OnWriteDone(bool is_good) {
  if (!is_good) return Finish(grpc::Status::CANCELLED);
  write_next();
}

void DenyListStream::OnDone() {
  desk_.seats.leave(*this);
  delete this;
}

}  // namespace headgate::control
