// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/watchers.h"

#include <utility>

#include "daemon/doors/native.h"
#include "daemon/quota/validate.h"
#include "daemon/rpc/status_code.h"

namespace headgate::doors {
namespace {

using headgate::quota::v1::WatchRequest;
using headgate::quota::v1::WatchResponse;

constexpr std::chrono::milliseconds kLook{100};
constexpr int kLooksToLearn = 10;  // adaptive limits learn about once a second

class Refusal final : public grpc::ServerWriteReactor<WatchResponse> {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }

 private:
  void OnDone() override { delete this; }
};

grpc::Status ending() {
  return rpc::to_status(grpc::StatusCode::UNAVAILABLE, "the daemon ends; ask again");
}

}  // namespace

Watchers::Watchers(const quota::Engine& engine) : engine_(engine), thread_([this] { run(); }) {}

Watchers::~Watchers() {
  end();
}

grpc::ServerWriteReactor<WatchResponse>* Watchers::begin(const WatchRequest& request) {
  std::shared_ptr<WatchStream> stream;
  if (const grpc::Status status = admit(request, stream); !status.ok()) return new Refusal(status);
  // After the thread knows of it: no reload falls between the two.
  stream->look();
  return stream.get();
}

grpc::Status Watchers::admit(const WatchRequest& request, std::shared_ptr<WatchStream>& stream) {
  quota::Request wanted = native::read(request);
  if (auto good = quota::validate_what_is_there(wanted); !good) {
    return rpc::to_status(good.error());
  }
  const std::size_t bytes = request.SpaceUsedLong();
  const std::lock_guard lock(mutex_);
  if (is_ending_) return ending();
  if (streams_.size() >= kMostStreams || bytes > kMostBytes - bytes_) {
    return rpc::to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                          "too many streams watch, or too much; some must end first");
  }
  stream = std::make_shared<WatchStream>(
      engine_, std::move(wanted),
      [this, bytes](const WatchStream& ended) { remove(ended, bytes); });
  streams_.emplace(stream.get(), stream);
  bytes_ += bytes;
  wake_.notify_one();
  return grpc::Status::OK;
}

void Watchers::remove(const WatchStream& stream, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  streams_.erase(&stream);
  bytes_ -= bytes;
}

std::vector<std::shared_ptr<WatchStream>> Watchers::streams() const {
  std::vector<std::shared_ptr<WatchStream>> streams;
  streams.reserve(streams_.size());
  for (const auto& [key, stream] : streams_) streams.push_back(stream);
  return streams;
}

void Watchers::end() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  const auto ended = streams();
  lock.unlock();
  for (const auto& stream : ended) stream->end(ending());
}

// The policy is read before the streams are: one that comes later begins with that policy, or a
// newer one. The lock is not held while gRPC is spoken to.
void Watchers::run() {
  std::shared_ptr<const quota::Policy> seen;
  std::unique_lock lock(mutex_);
  for (int looks = 1; !is_ending_; ++looks) {
    if (streams_.empty()) seen.reset();
    wake_.wait(lock, [this] { return is_ending_ || !streams_.empty(); });
    if (wake_.wait_for(lock, kLook, [this] { return is_ending_; })) return;
    auto policy = engine_.policy();
    const bool is_new = policy != seen;
    seen = std::move(policy);
    if (!is_new && looks % kLooksToLearn != 0) continue;
    auto watching = streams();
    lock.unlock();
    for (const auto& stream : watching) {
      if (is_new) {
        stream->look();
      } else {
        stream->look_at_what_learns();
      }
    }
    watching.clear();
    lock.lock();
  }
}

}  // namespace headgate::doors
