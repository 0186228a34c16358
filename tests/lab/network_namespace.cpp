// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/network_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "tests/lab/error.h"
#include "tests/lab/temp_dir.h"

namespace headgate::lab {
namespace {

void new_namespace() {
  check(::unshare(CLONE_NEWNET), "cannot make a network namespace (run as root): unshare");
}

// Runs on a thread of its own, which leaves its namespace.
void create(const std::string& path, unsigned tcp_hash_buckets) {
  new_namespace();
  if (tcp_hash_buckets > 0) {
    // The size is asked of the namespace that makes the new one.
    write_file("/proc/sys/net/ipv4/tcp_child_ehash_entries", std::to_string(tcp_hash_buckets));
    new_namespace();
  }
  check(::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr),
        "cannot bind a network namespace to " + path);
}

}  // namespace

NetworkNamespace::NetworkNamespace(const std::string& role, unsigned tcp_hash_buckets)
    : name_("hg-" + std::to_string(::getpid()) + "-" + role) {
  std::filesystem::create_directories("/run/netns");
  UniqueFd mount_point(
      check(::open(path().c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0), "open " + path()));
  try {
    std::packaged_task<void()> task([&] { create(path(), tcp_hash_buckets); });
    auto done = task.get_future();
    std::thread(std::ref(task)).join();
    done.get();
    fd_.reset(check(::open(path().c_str(), O_RDONLY | O_CLOEXEC), "open " + path()));
  } catch (...) {
    ::umount2(path().c_str(), MNT_DETACH);
    ::unlink(path().c_str());
    throw;
  }
}

NetworkNamespace::~NetworkNamespace() {
  drop_name();
}

void NetworkNamespace::drop_name() {
  if (!std::exchange(has_name_, false)) return;
  ::umount2(path().c_str(), MNT_DETACH);
  ::unlink(path().c_str());
}

void NetworkNamespace::enter() const {
  check(::setns(fd_.get(), CLONE_NEWNET), "cannot enter the network namespace " + name_);
}

void NetworkNamespace::set_sysctl(const std::string& key, const std::string& value) const {
  run([&] { write_file("/proc/sys/" + key, value); });
}

}  // namespace headgate::lab
