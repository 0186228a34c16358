// SPDX-License-Identifier: Apache-2.0
#include "client/worker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <pthread.h>

#include "client/rcu.h"
#include "client/seed.h"
#include "quota/backoff.h"

namespace headgate::client {
namespace {

namespace attach = quota::attach;
using std::chrono::milliseconds;

// Between two tries to attach: with full jitter, for a daemon that begins anew finds all its
// services waiting.
constexpr quota::BackoffSettings kBackoff{.base = milliseconds(20), .cap = milliseconds(1000)};
constexpr milliseconds kBusyPause{100};
constexpr milliseconds kIdlePause{1000};
constexpr std::chrono::seconds kTallyPeriod{1};

// The service's signals are the service's business.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

std::uint64_t next_generation() {
  static std::atomic<std::uint64_t> generation = 0;
  return ++generation;
}

}  // namespace

Worker::Worker(Core& core)
    : core_(core), random_(fresh_seed()), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw std::system_error(errno, std::generic_category(), "no eventfd to be had");
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "headgate-quota");
}

Worker::~Worker() {
  is_ending_ = true;
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Worker::forget_after_fork() {
  // By their numbers: the objects are as the parent's thread had them in that moment.
  if (wake_) close(wake_.get());
  const Connection* const connection = connection_.get();
  if (connection != nullptr) close(connection->fd());
}

void Worker::run() {
  while (!is_ending_) {
    if (connection_ || attach()) {
      serve();
    } else {
      const auto pause = quota::backoff(kBackoff, failures_++, random_);
      wait(-1, std::chrono::ceil<milliseconds>(pause));
    }
    free_idle_mappings();
  }
  if (connection_ && policy_ != nullptr) {
    tell();
    tell_tallies(*policy_);
  }
}

bool Worker::attach() {
  Connection::Failure failure;
  const Options& options = core_.options();
  auto connection = Connection::open(options.socket, options.domain, options.max_permits, failure);
  if (connection) {
    auto mapping = connection->take_mapping();
    auto policy = connection->take_policy();
    connection_ = std::move(connection);
    put_in_force(std::move(mapping), std::move(policy));
    failures_ = 0;
  } else if (failure.has_no_such_domain && (mapping_ || policy_ == nullptr)) {
    put_in_force(nullptr, std::make_unique<quota::ServicePolicy>());
  }
  set_status(connection_ != nullptr, failure.why);
  return connection_ != nullptr;
}

void Worker::detach() {
  connection_.reset();
  set_status(false, "the daemon has gone; its last rules hold");
}

// One turn: until something comes, or something is to be told.
void Worker::serve() {
  wait(connection_->fd(), is_busy_ ? kBusyPause : kIdlePause);
  if (!connection_->read()) return detach();
  if (auto policy = connection_->take_policy())
    put_in_force(std::move(mapping_), std::move(policy));
  const auto now = Throttles::Clock::now();
  for (const attach::Throttle& one : connection_->take_throttles()) {
    core_.desk().throttles.put(one.user, one.client, one.time, now);
  }
  if (!tell()) detach();
}

void Worker::put_in_force(std::unique_ptr<Mapping> mapping,
                          std::unique_ptr<quota::ServicePolicy> policy) {
  auto next = std::make_unique<InForce>();
  next->generation = next_generation();
  next->mapping = mapping.get();
  next->policy = std::move(policy);
  policy_ = next->policy.get();
  const auto former = core_.replace(std::move(next));
  if (mapping_) retired_.push_back(std::move(mapping_));
  mapping_ = std::move(mapping);
  if (former && connection_) tell_tallies(*former->policy);
}

// False: the daemon has gone. So all that goes wrong is lost, as it is when this process dies.
bool Worker::tell_tallies(const quota::ServicePolicy& policy) {
  std::vector<attach::Tally> tallies;
  for (const auto& limit : policy.limits) {
    const quota::TallyCounts counts = limit->tally.take();
    if (!counts.is_empty()) tallies.push_back({limit->identity, counts});
  }
  bool is_there = true;
  attach::write_each(attach::Kind::kTallies, tallies, [&](const std::string& message) {
    is_there = connection_->send(message) && is_there;
  });
  tallies_told_ = std::chrono::steady_clock::now();
  return is_there;
}

bool Worker::tell() {
  Core::Desk& desk = core_.desk();
  Outbox::Letters letters = desk.outbox.take();
  std::vector<attach::ServingTime> times;
  for (quota::TimeShare& one : desk.times.take()) {
    times.push_back({std::move(one.user), std::move(one.client), one.used});
  }
  is_busy_ = !letters.samples.empty() || !letters.refusals.empty() || !times.empty();
  bool is_there = true;
  const auto send = [&](const std::string& message) {
    is_there = connection_->send(message) && is_there;
  };
  attach::write_each(attach::Kind::kSamples, letters.samples, send);
  attach::write_each(attach::Kind::kRefusals, letters.refusals, send);
  attach::write_each(attach::Kind::kTimes, times, send);
  const bool is_time = std::chrono::steady_clock::now() - tallies_told_ >= kTallyPeriod;
  return is_there && (!is_time || tell_tallies(*policy_));
}

// Nobody borrows from them any more.
void Worker::free_idle_mappings() {
  std::erase_if(retired_, [](const std::unique_ptr<Mapping>& one) { return one->is_idle(); });
}

// Until it can be read, if it is one, or this is to end.
void Worker::wait(int fd, milliseconds time) const {
  std::array<pollfd, 2> fds = {{{wake_.get(), POLLIN, 0}, {fd, POLLIN, 0}}};
  poll(fds.data(), fds.size(), static_cast<int>(time.count()));
}

void Worker::set_status(bool is_attached, const std::string& problem) {
  Core::Desk& desk = core_.desk();
  const std::lock_guard lock(desk.mutex);
  desk.status.is_attached = is_attached;
  desk.status.has_rules = policy_ != nullptr;
  desk.status.attached += is_attached ? 1 : 0;
  desk.status.problem = is_attached ? "" : problem;
  desk.has_tried.notify_all();
}

}  // namespace headgate::client
