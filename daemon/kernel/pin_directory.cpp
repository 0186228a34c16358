// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/pin_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "daemon/kernel/front_removal.h"

namespace headgate::kernel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualMount = "/sys/fs/bpf";
constexpr const char* kCurrent = "current";
constexpr const char* kNext = "current-next";
constexpr const char* kStatePrefix = "state-";

bool is_below(const fs::path& path, const fs::path& directory) {
  const auto [end, rest] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

// The nearest directory of the path that is there.
fs::path existing_part(fs::path path) {
  std::error_code error;
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path;
}

Result<bool> is_on_bpffs(const fs::path& path) {
  struct statfs filesystem {};
  if (statfs(existing_part(path).c_str(), &filesystem) != 0) {
    return fail_errno("cannot examine " + path.string(), errno);
  }
  return filesystem.f_type == BPF_FS_MAGIC;
}

Result<void> make_directory(const fs::path& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail_errno("cannot make " + path.string(), errno);
}

Result<void> make_directories(const fs::path& path) {
  fs::path so_far;
  for (const fs::path& part : path) {
    so_far /= part;
    if (auto made = make_directory(so_far); !made) return made;
  }
  return {};
}

Result<void> mount_bpffs(const fs::path& path) {
  const fs::path place = is_below(path, kUsualMount) ? fs::path(kUsualMount) : path;
  if (auto made = make_directories(place); !made) return made;
  if (mount("bpf", place.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0) {
    return {};
  }
  return fail_errno("cannot mount a bpffs on " + place.string() +
                        "; mounting one (mount -t bpf bpf " + place.string() + ") may help",
                    errno);
}

// Who has locked this file, from the kernel's list; 0 if it does not tell.
pid_t find_locker(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return 0;
  std::ostringstream wanted;
  wanted << std::hex;
  wanted.width(2);
  wanted.fill('0');
  wanted << major(status.st_dev) << ':';
  wanted.width(2);
  wanted << minor(status.st_dev) << ':' << std::dec << status.st_ino;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream fields(line);
    std::string number;
    std::string kind;
    std::string advisory;
    std::string access;
    std::string file;
    pid_t pid = 0;
    fields >> number >> kind >> advisory >> access >> pid >> file;
    if (kind == "FLOCK" && file == wanted.str()) return pid;
  }
  return 0;
}

Result<UniqueFd> lock_directory(const fs::path& path) {
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("cannot open " + path.string(), errno);
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) {
    struct stat locked {};
    struct stat there {};
    if (fstat(directory.get(), &locked) == 0 && stat(path.c_str(), &there) == 0 &&
        locked.st_ino == there.st_ino) {
      return directory;
    }
    return fail(ErrorCode::kUnavailable,
                path.string() + " was removed just now; trying again may help");
  }
  if (errno != EWOULDBLOCK) return fail_errno("cannot lock " + path.string(), errno);
  const pid_t owner = find_locker(directory.get());
  return fail(ErrorCode::kUnavailable,
              path.string() + " belongs to another headgated" +
                  (owner > 0 ? " (pid " + std::to_string(owner) + ")" : std::string()) +
                  ", which is running; it has to end first, or another pin_dir would be right");
}

bool is_link(const fs::path& pin) {
  return pin.filename().string().rfind("map_", 0) != 0;
}

// The number in "state-7"; 0 if it is something else.
unsigned long state_number(const fs::path& path) {
  const std::string name = path.filename();
  if (name.rfind(kStatePrefix, 0) != 0) return 0;
  return std::strtoul(name.c_str() + std::string(kStatePrefix).size(), nullptr, 10);
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  return entries;
}

Result<void> remove_leftovers(const fs::path& path, const std::optional<std::string>& current) {
  for (const fs::path& entry : entries_of(path)) {
    if (entry.filename() == kNext) {
      if (unlink(entry.c_str()) != 0) return fail_errno("cannot remove " + entry.string(), errno);
    } else if (state_number(entry) > 0 && entry.string() != current) {
      if (auto fronts = remove_fronts(entry); !fronts) return tl::unexpected(fronts.error());
      if (auto removed = remove_pins(entry); !removed) return removed;
    }
  }
  return {};
}

}  // namespace

Result<void> remove_pins(const std::string& directory) {
  std::vector<fs::path> pins = entries_of(directory);
  // What refuses goes first, what counts last: see the order in which they are attached.
  std::stable_partition(pins.begin(), pins.end(), is_link);
  std::stable_partition(pins.begin(), pins.end(), [](const fs::path& pin) {
    return pin.filename().string().rfind("netns_", 0) == 0;
  });
  for (const fs::path& pin : pins) {
    if (unlink(pin.c_str()) != 0 && errno != ENOENT) {
      return fail_errno("cannot remove " + pin.string(), errno);
    }
  }
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT) {
    return fail_errno("cannot remove " + directory, errno);
  }
  return {};
}

Result<PinDirectory> PinDirectory::open(const std::string& path) {
  const auto is_bpffs = is_on_bpffs(path);
  if (!is_bpffs) return tl::unexpected(is_bpffs.error());
  if (!*is_bpffs) {
    if (auto mounted = mount_bpffs(path); !mounted) return tl::unexpected(mounted.error());
  }
  if (auto made = make_directories(path); !made) return tl::unexpected(made.error());
  PinDirectory pins;
  pins.path_ = path;
  auto lock = lock_directory(path);
  if (!lock) return tl::unexpected(lock.error());
  pins.lock_ = std::move(*lock);
  auto cleaned = remove_leftovers(path, pins.current());
  if (!cleaned) return tl::unexpected(cleaned.error());
  return pins;
}

Result<std::optional<PinDirectory>> PinDirectory::open_existing(const std::string& path) {
  struct stat directory {};
  if (stat(path.c_str(), &directory) != 0) {
    if (errno == ENOENT) return std::optional<PinDirectory>();
    return fail_errno("cannot look for " + path, errno);
  }
  const auto is_bpffs = is_on_bpffs(path);
  if (!is_bpffs) return tl::unexpected(is_bpffs.error());
  if (!*is_bpffs) return std::optional<PinDirectory>();
  PinDirectory pins;
  pins.path_ = path;
  auto lock = lock_directory(path);
  if (!lock) return tl::unexpected(lock.error());
  pins.lock_ = std::move(*lock);
  return std::optional(std::move(pins));
}

std::optional<std::string> PinDirectory::current() const {
  std::error_code error;
  const fs::path target = fs::read_symlink(fs::path(path_) / kCurrent, error);
  if (error) return std::nullopt;
  const fs::path state = fs::path(path_) / target.filename();
  if (state_number(state) == 0 || !fs::is_directory(state, error)) return std::nullopt;
  return state.string();
}

std::string PinDirectory::next_state() const {
  unsigned long last = 0;
  for (const fs::path& entry : entries_of(path_)) last = std::max(last, state_number(entry));
  return fs::path(path_) / (kStatePrefix + std::to_string(last + 1));
}

Result<std::string> PinDirectory::begin() const {
  std::string state = next_state();
  if (auto made = make_directory(state); !made) return tl::unexpected(made.error());
  return state;
}

Result<void> PinDirectory::turn_to(const std::string& state) const {
  const fs::path next = fs::path(path_) / kNext;
  const fs::path link = fs::path(path_) / kCurrent;
  if (symlink(fs::path(state).filename().c_str(), next.c_str()) != 0) {
    return fail_errno("cannot make " + next.string(), errno);
  }
  if (rename(next.c_str(), link.c_str()) == 0) return {};
  return fail_errno("cannot turn " + link.string() + " to " + state, errno);
}

Result<void> PinDirectory::commit(const std::string& state) const {
  const std::optional<std::string> former = current();
  if (auto turned = turn_to(state); !turned) return turned;
  // It is in force; what cannot be removed now is removed by the next start.
  if (former && remove_fronts(*former)) (void)remove_pins(*former);
  return {};
}

Result<void> PinDirectory::take_from(const PinDirectory& former) const {
  const std::optional<std::string> state = former.current();
  if (!state) return fail(ErrorCode::kNotFound, "nothing is in force in " + former.path());
  // The link first: a state that nothing points to would be removed as left over.
  const std::string place = next_state();
  if (auto turned = turn_to(place); !turned) return turned;
  if (rename(state->c_str(), place.c_str()) == 0) return {};
  const int error = errno;
  unlink((fs::path(path_) / kCurrent).c_str());
  return fail_errno("cannot move " + *state + " to " + place, error);
}

Result<std::size_t> PinDirectory::remove_all() const {
  std::size_t links = 0;
  for (const fs::path& state : entries_of(path_)) {
    if (state_number(state) == 0) continue;
    const auto fronts = remove_fronts(state);
    if (!fronts) return tl::unexpected(fronts.error());
    links += *fronts;
    const std::vector<fs::path> pins = entries_of(state);
    links += static_cast<std::size_t>(std::count_if(pins.begin(), pins.end(), is_link));
    if (auto removed = remove_pins(state); !removed) return tl::unexpected(removed.error());
  }
  for (const char* name : {kNext, kCurrent}) {
    const fs::path link = fs::path(path_) / name;
    if (unlink(link.c_str()) != 0 && errno != ENOENT) {
      return fail_errno("cannot remove " + link.string(), errno);
    }
  }
  // A mount point, or somebody else's pins in it: then it stays.
  rmdir(path_.c_str());
  return links;
}

}  // namespace headgate::kernel
