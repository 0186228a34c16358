// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/pin_dir.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

namespace fs = std::filesystem;

// Of this process: tests that run at once do not meet.
std::string mount_point() {
  return "/run/headgate-lab-" + std::to_string(getpid()) + "/bpf";
}

std::atomic<int> in_use{0};
std::atomic<int> last{0};

}  // namespace

PinDir::PinDir() : path_(mount_point() + "/hg-" + std::to_string(++last)) {
  ++in_use;
  fs::create_directories(mount_point());
  struct statfs filesystem {};
  check(statfs(mount_point().c_str(), &filesystem), "statfs");
  if (filesystem.f_type == BPF_FS_MAGIC) return;
  check(mount("bpf", mount_point().c_str(), "bpf", 0, "mode=0700"), "mount a bpffs");
}

PinDir::~PinDir() {
  clear();
  if (--in_use > 0) return;
  umount2(mount_point().c_str(), MNT_DETACH);
  std::error_code error;
  fs::remove(mount_point(), error);
  fs::remove(fs::path(mount_point()).parent_path(), error);
}

void PinDir::clear() const {
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace headgate::lab
