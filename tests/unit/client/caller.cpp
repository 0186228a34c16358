// SPDX-License-Identifier: Apache-2.0
//
// A service, for the tests that kill it.
//
//   client_caller hold SOCKET          takes a permit, says "held", and waits
//   client_caller crowd SOCKET SEATS   16 threads take permits of a limit, and a seat for each: a
//   lock
//                                      on one of the bytes of the file SEATS, as many as the limit
//                                      has permits. Says "too many", and ends, when no seat is
//                                      free.
//   client_caller strict SOCKET        asks 100,000 times where no system call is allowed, and says
//                                      how many were admitted
//   client_caller fork SOCKET          holds a permit, forks; the child asks, and ends
//   client_caller garbage SOCKET       writes random numbers into all of the domain's memory
//   client_caller watch SOCKET         the same as "hold", and says how many permits are left when
//                                      that changes
//   client_caller flood SOCKET         says to the domain "other" as much as it can
//   client_caller lock SOCKET          holds the lock of the memory's file: writes into it from a
//                                      page that never comes. Says "locked"
//
// The domain is "api", the key {"user", "alice"}.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/connection.h"
#include "headgate/client.h"

namespace headgate::client {
namespace {

using namespace std::chrono_literals;

constexpr int kThreads = 16;

Options options_for(const std::string& socket) {
  return {.domain = "api", .socket = socket, .fail_policy = FailPolicy::kClosed, .patience = 10s};
}

int hold(const std::string& socket) {
  Client client(options_for(socket));
  const Admission admission = client.try_acquire({{"user", "alice"}});
  std::puts(admission.holds_permit() ? "held" : to_text(admission.decision().reason));
  std::fflush(stdout);
  pause();
  return 0;
}

// A lock of the process on one of the bytes of a file, and a mark for its other threads. Both end
// with the process, and before anybody can know that it has ended: such locks go when the file is
// closed, a connection only when the last of its users is gone.
class Seats {
 public:
  explicit Seats(const char* path) : file_(open(path, O_RDWR | O_CLOEXEC)) {
    struct stat file {};
    if (fstat(file_, &file) != 0) _exit(2);
    taken_ = std::vector<std::atomic<bool>>(static_cast<std::size_t>(file.st_size));
  }

  std::optional<std::size_t> take() {
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (taken_[i].exchange(true)) continue;
      if (lock(F_WRLCK, i)) return i;
      taken_[i] = false;
    }
    return std::nullopt;
  }
  void leave(std::size_t seat) {
    lock(F_UNLCK, seat);
    taken_[seat] = false;
  }

 private:
  bool lock(short type, std::size_t seat) const {
    struct flock one {};
    one.l_type = type;
    one.l_whence = SEEK_SET;
    one.l_start = static_cast<off_t>(seat);
    one.l_len = 1;
    return fcntl(file_, F_SETLK, &one) == 0;
  }

  int file_;
  std::vector<std::atomic<bool>> taken_;
};

int crowd(const std::string& socket, const char* path) {
  Seats seats(path);
  Client client(options_for(socket));
  std::puts("here");
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      Key alice = client.key({{"user", "alice"}});
      while (true) {
        const Admission admission = client.try_acquire(alice);
        if (!admission.holds_permit()) {
          std::this_thread::yield();
          continue;
        }
        const auto seat = seats.take();
        if (!seat) {
          std::puts("too many");
          std::fflush(stdout);
          _exit(3);
        }
        std::this_thread::yield();
        seats.leave(*seat);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// From now on this thread may only end. (Not SECCOMP_MODE_STRICT, which forbids the time stamp
// counter, too.)
void forbid_system_calls() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog all{std::size(program), program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) != 0) {
    std::perror("seccomp");
    _exit(2);
  }
}

int strict(const std::string& socket) {
  Client client(options_for(socket));
  std::atomic<int> admitted = -1;
  std::thread([&] {
    Key alice = client.key({{"user", "alice"}});
    const auto ask = [&] {
      const Admission rate = client.try_acquire({{"rate", "alice"}});
      return client.try_acquire(alice).holds_permit() && rate;
    };
    ask();  // a thread's first call may ask for memory
    forbid_system_calls();
    int count = 0;
    for (int i = 0; i < 100'000; ++i) count += ask() ? 1 : 0;
    admitted = count;
    syscall(SYS_exit, 0);
  }).detach();
  for (int i = 0; i < 500 && admitted < 0; ++i) std::this_thread::sleep_for(10ms);
  std::printf("admitted %d\n", admitted.load());
  std::fflush(stdout);
  _exit(0);
}

int fork_and_ask(const std::string& socket) {
  Client client(options_for(socket));
  Key alice = client.key({{"user", "alice"}});
  Admission held = client.try_acquire(alice);
  const pid_t child = fork();
  if (child == 0) {
    held.end();  // not the child's
    // Without permits it has the rules and the counts all along.
    bool has_rules = client.try_acquire(alice, 0).decision().remaining == 1;
    Admission own = client.try_acquire(alice);
    for (int i = 0; i < 1000 && !own.holds_permit(); ++i) {
      has_rules = has_rules && own.decision().reason == Reason::kNoPermitLeft;
      std::this_thread::sleep_for(10ms);
      own = client.try_acquire(alice);
    }
    const Admission third = client.try_acquire(alice);
    std::this_thread::sleep_for(2s);  // it tells what it has counted each second
    _exit(has_rules && own.holds_permit() && !third ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("child %d, parent %s\n", WEXITSTATUS(status),
              held.holds_permit() && client.status().is_attached ? "holds" : "does not hold");
  std::fflush(stdout);
  pause();
  return 0;
}

int garbage(const std::string& socket) {
  Connection::Failure failure;
  const auto connection = Connection::open(socket, "api", 1, failure);
  if (!connection) return 2;
  const auto mapping = connection->take_mapping();
  auto* const begin = reinterpret_cast<char*>(mapping->table().slot_array());
  std::mt19937_64 random(static_cast<std::uint64_t>(getpid()));
  // Also what is before the slots. And the leases behind them.
  const std::size_t sets = mapping->table().slots() / quota::shared::kWays;
  char* const all = begin - quota::shared::slots_at(sets);
  const std::size_t bytes = quota::shared::bytes_for(sets, 4096);
  std::puts("writing");
  std::fflush(stdout);
  while (true) {
    const std::uint64_t number = random();
    // A single word, a small number among them, or a stretch of noise.
    char* const at = all + (random() % (bytes / 8)) * 8;
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(at)) =
        random() % 3 == 0 ? number & 0xff : number;
  }
}

int watch(const std::string& socket) {
  Client client(options_for(socket));
  Key alice = client.key({{"user", "alice"}});
  const Admission admission = client.try_acquire(alice);
  std::puts(admission.holds_permit() ? "held" : to_text(admission.decision().reason));
  std::uint64_t last = 0;
  while (true) {
    std::fflush(stdout);
    std::this_thread::sleep_for(10ms);
    const std::uint64_t left = client.try_acquire(alice, 0).decision().remaining;
    if (left != last) std::printf("%ju left\n", static_cast<std::uintmax_t>(left));
    last = left;
  }
}

int flood(const std::string& socket) {
  Connection::Failure failure;
  const auto connection = Connection::open(socket, "other", 0, failure);
  if (!connection) return 2;
  std::puts("talking");
  std::fflush(stdout);
  for (std::uint64_t number = 0;;) {
    std::vector<quota::attach::ServingTime> times(500);
    for (auto& one : times) one = {"", std::to_string(number++ % 100'000'000), 5s};
    quota::attach::write_each(quota::attach::Kind::kTimes, times, [&](const std::string& message) {
      static_cast<void>(connection->send(message));
    });
    static_cast<void>(connection->read());
    static_cast<void>(connection->take_throttles());
  }
}

// The file of the memory that is mapped, once more.
int open_mapped() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("headgate-quota:") == std::string::npos) continue;
    return open(("/proc/self/map_files/" + line.substr(0, line.find(' '))).c_str(), O_RDWR);
  }
  return -1;
}

int lock(const std::string& socket) {
  constexpr std::size_t kPage = 4096;
  const Client client(options_for(socket));
  const int file = open_mapped();
  const auto pages = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  uffdio_api api{UFFD_API, 0, 0};
  void* const never =
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uffdio_register all{
      {reinterpret_cast<std::uintptr_t>(never), kPage}, UFFDIO_REGISTER_MODE_MISSING, 0};
  if (file < 0 || pages < 0 || ioctl(pages, UFFDIO_API, &api) != 0 ||
      ioctl(pages, UFFDIO_REGISTER, &all) != 0) {
    std::perror("cannot lock");
    return 2;
  }
  std::thread([&] { return pwrite(file, never, kPage, 0); }).detach();
  pollfd asked{pages, POLLIN, 0};
  poll(&asked, 1, -1);
  std::puts("locked");
  std::fflush(stdout);
  pause();
  return 0;
}

int run(int count, char** arguments) {
  if (count < 3) return 2;
  const std::string what = arguments[1];
  const std::string socket = arguments[2];
  if (what == "hold") return hold(socket);
  if (what == "crowd" && count == 4) return crowd(socket, arguments[3]);
  if (what == "strict") return strict(socket);
  if (what == "fork") return fork_and_ask(socket);
  if (what == "garbage") return garbage(socket);
  if (what == "watch") return watch(socket);
  if (what == "flood") return flood(socket);
  if (what == "lock") return lock(socket);
  return 2;
}

}  // namespace
}  // namespace headgate::client

int main(int count, char** arguments) {
  return headgate::client::run(count, arguments);
}
