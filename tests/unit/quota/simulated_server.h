// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <random>
#include <vector>

#include "quota/limit_sample.h"

// A server with a queue, in simulated time, in front of which an adaptive limit stands.
namespace headgate::quota::simulation {

// `workers` requests are served at a time; all others wait, first come first served. So it answers
// up to workers / service_s requests a second, and takes service_s for one where there is no queue.
struct Server {
  unsigned workers = 20;
  double service_s = 0.01;      // mean
  bool is_exponential = false;  // service times; else all the same
  // What service times are multiplied with, at a time in seconds.
  std::function<double(double)> slowness = [](double) { return 1.0; };
  double patience_s = std::numeric_limits<double>::infinity();  // what lasts longer has failed

  double capacity() const { return workers / service_s; }
};

// Open loop: requests come whatever becomes of them. Closed loop: each client has one at a time,
// and tries again some time after it was refused.
struct Load {
  std::function<double(double)>
      arrivals_per_s{};  // Poisson, at a time in seconds; none: closed loop
  unsigned clients = 0;
  double think_s = 0;  // means of exponential times
  double retry_s = 0.05;
};

// What became of the requests that ended, or were refused, in a second.
struct Second {
  unsigned succeeded = 0;
  unsigned failed = 0;
  unsigned refused = 0;
  double latency_s = 0;  // sum over those that ended
  std::uint32_t lowest_limit = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t highest_limit = 0;
};

struct Mean {
  double rate = 0;  // successes a second
  double latency_s = 0;
  double limit = 0;
};

inline Mean mean_of(const std::vector<Second>& seconds, std::size_t from, std::size_t until) {
  Mean mean;
  double ended = 0;
  for (std::size_t i = from; i < until; ++i) {
    mean.rate += seconds[i].succeeded;
    mean.latency_s += seconds[i].latency_s;
    mean.limit += (seconds[i].lowest_limit + seconds[i].highest_limit) / 2.0;
    ended += seconds[i].succeeded + seconds[i].failed;
  }
  const double count = static_cast<double>(until - from);
  return {mean.rate / count, mean.latency_s / std::max(ended, 1.0), mean.limit / count};
}

template <class Limit>
class Simulation {
 public:
  Simulation(const Server& server, const Load& load, Limit& limit, std::uint64_t seed)
      : server_(server), load_(load), limit_(limit), random_(seed) {}

  std::vector<Second> run(std::size_t seconds) {
    seconds_.assign(seconds, {});
    if (load_.arrivals_per_s) {
      schedule_arrival();
    } else {
      for (unsigned i = 0; i < load_.clients; ++i) schedule(exponential(0.1), Event::kArrival);
    }
    const double end_s = static_cast<double>(seconds);
    while (!events_.empty() && events_.top().at_s < end_s) {
      const Event event = events_.top();
      events_.pop();
      now_s_ = event.at_s;
      event.kind == Event::kArrival ? arrive() : finish(event);
      Second& now = second();
      now.lowest_limit = std::min(now.lowest_limit, limit_.limit());
      now.highest_limit = std::max(now.highest_limit, limit_.limit());
    }
    return std::move(seconds_);
  }

 private:
  struct Request {
    double admitted_s;
    std::uint32_t in_flight;
  };
  struct Event {
    enum Kind { kArrival, kEnd } kind;
    double at_s;
    Request request;
    bool operator<(const Event& other) const { return at_s > other.at_s; }
  };

  Second& second() { return seconds_[static_cast<std::size_t>(now_s_)]; }
  double exponential(double mean) {
    return mean > 0 ? std::exponential_distribution<double>(1 / mean)(random_) : 0;
  }
  void schedule(double after_s, typename Event::Kind kind, Request request = {}) {
    events_.push({kind, now_s_ + after_s, request});
  }
  void schedule_arrival() {
    schedule(exponential(1 / load_.arrivals_per_s(now_s_)), Event::kArrival);
  }

  void arrive() {
    if (load_.arrivals_per_s) schedule_arrival();
    if (in_flight_ >= limit_.limit()) {
      ++second().refused;
      if (!load_.arrivals_per_s) schedule(exponential(load_.retry_s), Event::kArrival);
      return;
    }
    ++in_flight_;
    waiting_.push_back({now_s_, in_flight_});
    serve();
  }

  void serve() {
    if (waiting_.empty() || busy_ == server_.workers) return;
    ++busy_;
    const double mean_s = server_.service_s * server_.slowness(now_s_);
    schedule(server_.is_exponential ? exponential(mean_s) : mean_s, Event::kEnd, waiting_.front());
    waiting_.pop_front();
  }

  void finish(const Event& event) {
    --busy_;
    --in_flight_;
    const double latency_s = now_s_ - event.request.admitted_s;
    const bool is_failed = latency_s > server_.patience_s;
    ++(is_failed ? second().failed : second().succeeded);
    second().latency_s += latency_s;
    limit_.add({.now_ns = static_cast<std::uint64_t>(now_s_ * 1e9),
                .latency_ns = static_cast<std::uint64_t>(latency_s * 1e9),
                .in_flight = event.request.in_flight,
                .is_failed = is_failed});
    if (!load_.arrivals_per_s) schedule(exponential(load_.think_s), Event::kArrival);
    serve();
  }

  const Server& server_;
  const Load& load_;
  Limit& limit_;
  std::mt19937_64 random_;
  std::priority_queue<Event> events_;
  std::deque<Request> waiting_;
  std::vector<Second> seconds_;
  double now_s_ = 0;
  unsigned busy_ = 0;
  std::uint32_t in_flight_ = 0;
};

template <class Limit>
std::vector<Second> simulate(const Server& server, const Load& load, Limit& limit,
                             std::size_t seconds, std::uint64_t seed = 1) {
  return Simulation<Limit>(server, load, limit, seed).run(seconds);
}

// Requests at `times` of what the server can answer.
inline Load overload(const Server& server, double times) {
  const double rate = server.capacity() * times;
  return {.arrivals_per_s = [rate](double) { return rate; }};
}

}  // namespace headgate::quota::simulation
