// SPDX-License-Identifier: Apache-2.0
//
// Load for the connection benchmark: a server that accepts, and clients that connect and close as
// fast as they can. Client and server are separate processes, so that each can be in a network
// namespace and a cgroup of its own. Results are JSON lines on stdout.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <pthread.h>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string source = "127.0.0.1";
  std::string target = "127.0.0.1";
  std::uint16_t port = 8000;
  unsigned threads = 1;
  double seconds = 3;
  double warmup = 0.2;
  unsigned count = 0;
  bool keep = false;
};

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in address_of(const std::string& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("'" + ip + "' is not an IPv4 address");
  }
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Thread i always runs on the same CPU: the scheduler's choices are not what is measured.
void pin_to_cpu(unsigned index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) throw_errno("sched_getaffinity");
  auto skip = index % static_cast<unsigned>(CPU_COUNT(&allowed));
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one) != 0) throw_errno("affinity");
    return;
  }
}

// Runs `body` with the numbers 0..threads-1, each in a pinned thread, and waits for all.
void run_pinned(unsigned threads, const std::function<void(unsigned)>& body) {
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&body, i] {
      pin_to_cpu(i);
      body(i);
    });
  }
  for (auto& thread : running) thread.join();
}

// --- server ------------------------------------------------------------------------------------

// Accepts until killed. Closes at once, or keeps every connection (its end is the process's end).
void serve(const Options& options) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  const auto address = address_of(options.target, options.port);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(listener, generic(address), sizeof(address)) != 0 || listen(listener, 65535) != 0) {
    throw_errno("cannot listen");
  }
  std::cout << nlohmann::json{{"listening", options.port}} << std::endl;
  run_pinned(options.threads, [&](unsigned) {
    for (;;) {
      const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) {
        // Out of files: the connection stays in the queue, where it counts just as well.
        if (errno == EMFILE) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      if (!options.keep) close(connection);
    }
  });
}

// --- clients -----------------------------------------------------------------------------------

// A socket bound to the source address. Its port is chosen at connect(), where the whole 4-tuple
// is known: choosing at bind() would search for a port that nobody uses at all.
int bound_socket(const sockaddr_in& source) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
      bind(fd, generic(source), sizeof(source)) != 0) {
    throw_errno("cannot make a client socket");
  }
  return fd;
}

// Closes by RST: no TIME_WAIT, and the port is free at once.
void reset_connection(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

std::string errno_name(int error_number) {
  const char* name = strerrorname_np(error_number);
  return name ? name : std::to_string(error_number);
}

struct alignas(64) Tally {
  std::uint64_t attempts = 0;  // also those of the warm-up
  std::uint64_t connected = 0;
  std::map<int, std::uint64_t> errors;  // by errno
};

void print_tallies(const std::vector<Tally>& tallies, double seconds) {
  std::uint64_t attempts = 0;
  std::uint64_t connected = 0;
  std::uint64_t refused = 0;
  std::map<std::string, std::uint64_t> errors;
  for (const auto& tally : tallies) {
    attempts += tally.attempts;
    connected += tally.connected;
    for (const auto& [error_number, times] : tally.errors) {
      errors[errno_name(error_number)] += times;
      if (error_number == ECONNREFUSED) refused += times;
    }
  }
  nlohmann::json line{
      {"seconds", seconds}, {"attempts", attempts}, {"connected", connected}, {"errors", errors}};
  if (seconds > 0) {
    line["connected_per_second"] = static_cast<double>(connected) / seconds;
    line["refused_per_second"] = static_cast<double>(refused) / seconds;
  }
  std::cout << line << std::endl;
}

// Connects and closes until the time is over; what happens during the warm-up is not counted.
void load(const Options& options) {
  const auto source = address_of(options.source, 0);
  const auto target = address_of(options.target, options.port);
  std::vector<Tally> tallies(options.threads);
  std::vector<double> elapsed(options.threads);
  const auto start = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(options.warmup));
  const auto end = start + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(options.seconds));
  run_pinned(options.threads, [&](unsigned i) {
    auto& tally = tallies[i];
    auto now = Clock::now();
    for (; now < end; now = Clock::now()) {
      const int fd = bound_socket(source);
      const int error_number = connect(fd, generic(target), sizeof(target)) == 0 ? 0 : errno;
      reset_connection(fd);
      ++tally.attempts;
      if (now < start) continue;
      if (error_number == 0) {
        ++tally.connected;
      } else {
        ++tally.errors[error_number];
      }
    }
    elapsed[i] = std::chrono::duration<double>(now - start).count();
  });
  print_tallies(tallies, *std::max_element(elapsed.begin(), elapsed.end()));
}

// Opens `count` connections, says so, and keeps them until stdin ends.
void hold(const Options& options) {
  const auto source = address_of(options.source, 0);
  const auto target = address_of(options.target, options.port);
  std::vector<Tally> tally(1);
  std::vector<int> held;
  for (unsigned i = 0; i < options.count; ++i) {
    const int fd = bound_socket(source);
    ++tally[0].attempts;
    if (connect(fd, generic(target), sizeof(target)) == 0) {
      ++tally[0].connected;
      held.push_back(fd);
    } else {
      ++tally[0].errors[errno];
      close(fd);
    }
  }
  print_tallies(tally, 0);
  std::array<char, 64> ignored{};
  while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) continue;
  for (const int fd : held) reset_connection(fd);
}

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("setrlimit");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Load for the connection benchmark (scripts/bench connections)"};
  app.require_subcommand(1);
  const auto common = [&](CLI::App* command) {
    command->add_option("--target", options.target, "the server's address");
    command->add_option("--port", options.port, "the server's port");
    return command;
  };
  auto* serve_command = common(app.add_subcommand("serve", "accept, and close at once"));
  serve_command->add_option("--threads", options.threads);
  serve_command->add_flag("--keep", options.keep, "keep what is accepted");
  auto* load_command = common(app.add_subcommand("load", "connect and close for some seconds"));
  load_command->add_option("--source", options.source, "the client's address");
  load_command->add_option("--threads", options.threads);
  load_command->add_option("--seconds", options.seconds);
  load_command->add_option("--warmup", options.warmup, "seconds before the count starts");
  auto* hold_command = common(app.add_subcommand("hold", "open connections and keep them"));
  hold_command->add_option("--source", options.source, "the client's address");
  hold_command->add_option("--count", options.count, "how many")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    raise_file_limit();
    if (*serve_command) serve(options);
    if (*load_command) load(options);
    if (*hold_command) hold(options);
  } catch (const std::exception& problem) {
    std::cerr << "bench_connections: " << problem.what() << '\n';
    return 1;
  }
  return 0;
}
