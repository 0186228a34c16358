// SPDX-License-Identifier: Apache-2.0
// What a Limiter asks the kernel programs themselves.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "daemon/kernel/address.h"
#include "daemon/kernel/limiter.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/map_io.h"

namespace headgate::kernel {
namespace {

bpf_sk_lookup make_syn(const IpAddress& client, const IpAddress& server, std::uint16_t port) {
  bpf_sk_lookup syn{};
  const hg_address remote = to_abi(client);
  const hg_address local = to_abi(server);
  syn.protocol = IPPROTO_TCP;
  syn.local_port = port;
  if (client.family() == IpFamily::kIpv4) {
    syn.family = AF_INET;
    syn.remote_ip4 = remote.word[3];
    syn.local_ip4 = local.word[3];
  } else {
    syn.family = AF_INET6;
    std::memcpy(syn.remote_ip6, &remote, sizeof(remote));
    std::memcpy(syn.local_ip6, &local, sizeof(local));
  }
  return syn;
}

}  // namespace

Result<hg_explanation> Limiter::explain(std::uint64_t netns_cookie, const IpAddress& client,
                                        const IpAddress& server, std::uint16_t port) const {
  const auto limited = kernel_->find(netns_cookie);
  if (!limited) return fail(ErrorCode::kNotFound, "that network namespace is not limited");
  if (client.family() != server.family()) {
    return fail(ErrorCode::kInvalidArgument,
                "a client and a server address of one family would be right");
  }
  bpf_sk_lookup syn = make_syn(client, server, port);
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = &syn;
  options.ctx_size_in = sizeof(syn);
  const std::lock_guard lock(kernel_->explanations);
  hg_explanation question{};
  question.netns_cookie = netns_cookie;
  question.netns = limited->id.number;
  auto asked = write_entry(kernel_->limiter->maps.explanation, std::uint32_t{0}, question);
  if (!asked) return tl::unexpected(asked.error());
  const int program = bpf_program__fd(kernel_->limiter->progs.explain);
  if (bpf_prog_test_run_opts(program, &options) != 0) {
    return fail_errno("cannot run the program that explains a verdict", errno);
  }
  return read_entry<hg_explanation>(kernel_->limiter->maps.explanation, 0);
}

}  // namespace headgate::kernel
