// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/iterator.h"

#include <bpf/bpf.h>

#include <array>
#include <cerrno>
#include <memory>

#include "common/unique_fd.h"

namespace headgate::kernel {
namespace {

Result<std::string> read_all(int fd) {
  std::string all;
  std::array<char, 65536> chunk{};
  for (;;) {
    const ssize_t size = ::read(fd, chunk.data(), chunk.size());
    if (size == 0) return all;
    // EAGAIN: a million sockets were passed in one call; there are more.
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) return fail_errno("cannot read the socket iterator", errno);
    all.append(chunk.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

Result<std::string> run_iterator(const bpf_program* program, const NetworkNamespace& netns) {
  const std::unique_ptr<bpf_link, int (*)(bpf_link*)> link(
      bpf_program__attach_iter(program, nullptr), bpf_link__destroy);
  if (!link) return fail_errno("cannot create the socket iterator", errno);
  std::string output;
  Result<void> inside = netns.run_inside([&]() -> Result<void> {
    const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link.get())));
    if (!iterator) return fail_errno("cannot start the socket iterator", errno);
    Result<std::string> read = read_all(iterator.get());
    if (!read) return tl::unexpected(read.error());
    output = std::move(*read);
    return {};
  });
  if (!inside) return tl::unexpected(inside.error());
  return output;
}

}  // namespace headgate::kernel
