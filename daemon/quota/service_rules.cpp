// SPDX-License-Identifier: Apache-2.0
#include "daemon/quota/service_rules.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headgate::quota {
namespace {

// For reading only: who could write, though in vain, could lock it for ever while the others ask
// for its size.
UniqueFd sealed_file(const std::string& bytes) {
  const UniqueFd file(memfd_create("headgate-quota-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return UniqueFd();
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) return UniqueFd();
    done += static_cast<std::size_t>(wrote);
  }
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  constexpr mode_t kMode = 0400;
  if (fcntl(file.get(), F_ADD_SEALS, kSeals) != 0 || fchmod(file.get(), kMode) != 0) {
    return UniqueFd();
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

int ServiceRules::file() const {
  const std::lock_guard lock(mutex_);
  if (!file_) file_ = sealed_file(bytes_);
  return file_.get();
}

}  // namespace headgate::quota
