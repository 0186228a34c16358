// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <headgate/quota/v1/quota.pb.h>

#include "daemon/quota/engine.h"

namespace headgate::doors {

// One call of Watch: sends what the limits are when it is told to look, if that is not what it has
// sent last. At most one write is under way; whatever changes meanwhile is looked at after it.
// Thread-safe: whoever looks may do so before gRPC knows the stream and after it has ended.
class WatchStream final : public grpc::ServerWriteReactor<headgate::quota::v1::WatchResponse> {
 public:
  // The request is valid. The text that it refers to is there until `at_end` is called, the last
  // that happens: whoever owns the stream may drop it then, and not before.
  WatchStream(const quota::Engine& engine, quota::Request request,
              std::function<void(const WatchStream&)> at_end)
      : engine_(engine), request_(std::move(request)), at_end_(std::move(at_end)) {}

  void look();
  // The same for a stream of which the numbers may change without a reload.
  void look_at_what_learns();
  // After the write that is under way. The first to say how is heard.
  void end(const grpc::Status& status);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override { end(grpc::Status::CANCELLED); }
  void OnDone() override;

  void go_on();
  bool has_news();

  const quota::Engine& engine_;
  const quota::Request request_;
  std::function<void(const WatchStream&)> at_end_;

  std::mutex mutex_;
  headgate::quota::v1::WatchResponse state_;  // gRPC reads it while it is written
  // Of the state that was sent last: thousands who watch do not keep a copy each.
  std::optional<std::size_t> sent_hash_;
  bool learns_ = false;
  bool wants_look_ = false;
  bool is_writing_ = false;
  std::optional<grpc::Status> end_;
  bool has_ended_ = false;  // gRPC has been told: nothing more may be said to it
};

}  // namespace headgate::doors
