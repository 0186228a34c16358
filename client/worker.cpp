// SPDX-License-Identifier: Apache-2.0
#include "client/worker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
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
constexpr std::size_t kTalliesOfMessage = 200;
constexpr std::uint32_t kMostFailures = 32;  // that are counted

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
  const Connection* const connection = current_.connection.get();
  if (connection != nullptr) close(connection->fd());
}

// Whatever goes wrong (there is no memory, for instance) is tried again; the service goes on.
void Worker::run() {
  while (!is_ending_) {
    try {
      turn();
    } catch (const std::exception& error) {
      detach(error.what());
    }
  }
  if (is_attached_ && policy_ != nullptr) {
    take_tallies(*policy_);
    tell();
  }
}

void Worker::turn() {
  if (is_attached_ || attach()) {
    serve();
  } else {
    forget_what_is_late();
    const auto pause = quota::backoff(kBackoff, failures_, random_);
    failures_ = std::min(failures_ + 1, kMostFailures);
    wait(-1, std::chrono::ceil<milliseconds>(pause));
  }
  free_idle();
}

bool Worker::attach() {
  Connection::Failure failure;
  const Options& options = core_.options();
  Attachment next;
  next.connection =
      Connection::open(options.socket, options.domain, options.max_permits, failure, wake_.get());
  if (next.connection) {
    next.mapping = next.connection->take_mapping();
    auto policy = next.connection->take_policy();
    put_in_force(std::move(next), std::move(policy));
    failures_ = 0;
    is_attached_ = true;
  } else if (failure.has_no_such_domain && (current_.mapping || policy_ == nullptr)) {
    put_in_force({}, std::make_unique<quota::ServicePolicy>());
  }
  set_status(failure.why);
  return is_attached_;
}

void Worker::detach(const std::string& problem) {
  is_attached_ = false;
  set_status(problem);
}

// One turn: until something comes, or something is to be told.
void Worker::serve() {
  Connection& connection = *current_.connection;
  wait(connection.fd(), is_busy_ ? kBusyPause : kIdlePause);
  const bool is_there = connection.read();
  if (auto policy = connection.take_policy()) {
    put_in_force(std::move(current_), std::move(policy));
  }
  if (!is_there) return detach("the daemon has gone; its last rules hold");
  const auto now = Throttles::Clock::now();
  for (const attach::Throttle& one : current_.connection->take_throttles()) {
    core_.desk().throttles.put(one.user, one.client, one.time, now);
  }
  if (std::chrono::steady_clock::now() - tallies_taken_ >= kTallyPeriod) take_tallies(*policy_);
  if (!tell()) detach("the daemon has gone; its last rules hold");
}

void Worker::put_in_force(Attachment attachment, std::unique_ptr<quota::ServicePolicy> policy) {
  auto next = std::make_unique<InForce>();
  next->generation = next_generation();
  next->mapping = attachment.mapping.get();
  next->policy = std::move(policy);
  policy_ = next->policy.get();
  const auto former = core_.replace(std::move(next));
  if (current_.mapping) retired_.push_back(std::move(current_));
  current_ = std::move(attachment);
  if (former) take_tallies(*former->policy);
}

// What has not been told as yet is told by limit, however often it was taken.
void Worker::take_tallies(const quota::ServicePolicy& policy) {
  for (const auto& limit : policy.limits) {
    const quota::TallyCounts counts = limit->tally.take();
    if (counts.is_empty()) continue;
    const auto known = std::find_if(tallies_.begin(), tallies_.end(), [&](const auto& one) {
      return one.identity == limit->identity;
    });
    if (known != tallies_.end()) {
      known->counts += counts;
    } else {
      tallies_.push_back({limit->identity, counts});
    }
  }
  tallies_taken_ = std::chrono::steady_clock::now();
}

// False: the daemon has gone. What it has no room for stays.
bool Worker::tell_tallies() {
  auto sent = Connection::Sent::kYes;
  std::size_t told = 0;
  while (told < tallies_.size() && sent == Connection::Sent::kYes) {
    const std::size_t end = std::min(tallies_.size(), told + kTalliesOfMessage);
    std::vector<attach::Tally> some(tallies_.begin() + static_cast<std::ptrdiff_t>(told),
                                    tallies_.begin() + static_cast<std::ptrdiff_t>(end));
    attach::write_each(attach::Kind::kTallies, some, [&](const std::string& message) {
      sent = current_.connection->send(message);
    });
    if (sent == Connection::Sent::kYes) told = end;
  }
  tallies_.erase(tallies_.begin(), tallies_.begin() + static_cast<std::ptrdiff_t>(told));
  return sent != Connection::Sent::kGone;
}

// False: the daemon has gone. The counts come first, for they are not said again; of the rest, what
// it has no room for is lost.
bool Worker::tell() {
  if (!tell_tallies()) return false;
  Core::Desk& desk = core_.desk();
  Outbox::Letters letters = desk.outbox.take();
  std::vector<attach::ServingTime> times;
  for (quota::TimeShare& one : desk.times.take()) {
    times.push_back({std::move(one.user), std::move(one.client), one.used});
  }
  is_busy_ = !letters.samples.empty() || !letters.refusals.empty() || !times.empty();
  bool is_there = true;
  const auto send = [&](const std::string& message) {
    if (is_there) is_there = current_.connection->send(message) != Connection::Sent::kGone;
  };
  attach::write_each(attach::Kind::kSamples, letters.samples, send);
  attach::write_each(attach::Kind::kRefusals, letters.refusals, send);
  attach::write_each(attach::Kind::kTimes, times, send);
  return is_there;
}

// The next daemon would take it for what happens in its own time: who was refused now and then for
// hours would have been refused all at once.
void Worker::forget_what_is_late() {
  static_cast<void>(core_.desk().outbox.take());
  static_cast<void>(core_.desk().times.take());
}

// Nobody borrows from them any more.
void Worker::free_idle() {
  std::erase_if(retired_, [](const Attachment& one) { return one.mapping->is_idle(); });
}

// Until it can be read, if it is one, or this is to end.
void Worker::wait(int fd, milliseconds time) const {
  std::array<pollfd, 2> fds = {{{wake_.get(), POLLIN, 0}, {fd, POLLIN, 0}}};
  poll(fds.data(), fds.size(), static_cast<int>(time.count()));
}

void Worker::set_status(const std::string& problem) {
  Core::Desk& desk = core_.desk();
  const std::lock_guard lock(desk.mutex);
  if (is_attached_ && !desk.status.is_attached) ++desk.status.attached;
  desk.status.is_attached = is_attached_;
  desk.status.has_rules = current_.mapping != nullptr;
  desk.status.problem = is_attached_ ? "" : problem;
  desk.has_answer = policy_ != nullptr;
  desk.changed.notify_all();
}

}  // namespace headgate::client
