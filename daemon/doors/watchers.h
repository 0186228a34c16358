// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <headgate/quota/v1/quota.pb.h>

#include "daemon/doors/watch_stream.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// All calls of Watch, and the one thread that looks for them whether anything has changed; it
// sleeps while nobody watches. They last as long as their callers like, so they are in no
// histogram. Thread-safe.
class Watchers {
 public:
  explicit Watchers(const quota::Engine& engine);
  // gRPC has done with every stream.
  ~Watchers();

  // For gRPC, which keeps `request` until the stream has ended.
  grpc::ServerWriteReactor<headgate::quota::v1::WatchResponse>* begin(
      const headgate::quota::v1::WatchRequest& request);

  // Ends all streams, and those that begin from now on.
  void end();

  static constexpr std::size_t kMostStreams = 4'096;
  // Of their requests, which gRPC keeps. So what there is to look at is bounded, too.
  static constexpr std::size_t kMostBytes = 16 * 1024 * 1024;

 private:
  grpc::Status admit(const headgate::quota::v1::WatchRequest& request,
                     std::shared_ptr<WatchStream>& stream);
  void remove(const WatchStream& stream, std::size_t bytes);
  std::vector<std::shared_ptr<WatchStream>> streams() const;  // the lock is held
  void run();

  const quota::Engine& engine_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<const WatchStream*, std::shared_ptr<WatchStream>> streams_;
  std::size_t bytes_ = 0;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace headgate::doors
