// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe_features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "common/unique_fd.h"
#include "daemon/kernel/libbpf_log.h"

namespace headgate::kernel {
namespace {

using Code = std::vector<bpf_insn>;

constexpr bpf_insn instruction(int code, int to, int from, int offset, int immediate) {
  bpf_insn result{};
  result.code = static_cast<__u8>(code);
  result.dst_reg = static_cast<__u8>(to & 0xf);
  result.src_reg = static_cast<__u8>(from & 0xf);
  result.off = static_cast<__s16>(offset);
  result.imm = immediate;
  return result;
}
constexpr bpf_insn set(int to, int value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
constexpr bpf_insn read_u64(int to, int from, int offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0);
}
constexpr bpf_insn skip_if_zero(int what, int count) {
  return instruction(BPF_JMP | BPF_JEQ | BPF_K, what, 0, count, 0);
}
// `kind`: 0 for a helper, BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL.
constexpr bpf_insn call(int kind, int what) {
  return instruction(BPF_JMP | BPF_CALL, 0, kind, 0, what);
}
constexpr bpf_insn leave() {
  return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

struct BtfFreer {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, BtfFreer>;

tl::unexpected<Error> refused(const std::string& what, int error_number) {
  // EACCES is the verifier's answer to a program, not to who loads it.
  return fail(error_number == EPERM ? ErrorCode::kPermissionDenied : ErrorCode::kUnsupported,
              what + ": " + std::strerror(error_number));
}

Result<UniqueFd> load(bpf_prog_type type, const Code& code, bpf_prog_load_opts options = {}) {
  std::string log(64 * 1024, '\0');
  options.sz = sizeof(options);
  options.log_buf = log.data();
  options.log_size = static_cast<__u32>(log.size());
  const int fd = bpf_prog_load(type, "hg_probe", "GPL", code.data(), code.size(), &options);
  if (fd >= 0) return UniqueFd(fd);
  const int error_number = errno;
  const std::string said = verifier_objection(log.c_str());
  return refused("does not load" + (said.empty() ? "" : " (" + said + ")"), error_number);
}

Result<std::string> loads(const Result<UniqueFd>& program) {
  if (!program) return tl::unexpected(program.error());
  return std::string("loads");
}

Result<UniqueFd> load_tcp_iterator(const Code& code) {
  const int target = libbpf_find_vmlinux_btf_id("tcp", BPF_TRACE_ITER);
  if (target < 0) return refused("the kernel has no iterator over TCP sockets", -target);
  bpf_prog_load_opts options{};
  options.expected_attach_type = BPF_TRACE_ITER;
  options.attach_btf_id = static_cast<__u32>(target);
  return load(BPF_PROG_TYPE_TRACING, code, options);
}

Result<int> find_kernel_function(const char* name) {
  const Btf types(btf__load_vmlinux_btf());
  if (!types) return refused("cannot read the kernel's type information", errno);
  const int id = btf__find_by_name_kind(types.get(), name, BTF_KIND_FUNC);
  if (id < 0) return fail(ErrorCode::kUnsupported, std::string("the kernel has no ") + name);
  return id;
}

// int pass(struct xdp_md *ctx), int slot(struct xdp_md *ctx): the types of a dispatcher.
struct DispatcherTypes {
  Btf types;
  int pass = 0;
  int slot = 0;
};

Result<DispatcherTypes> make_dispatcher_types() {
  DispatcherTypes made{Btf(btf__new_empty())};
  if (!made.types) return refused("cannot make type information", errno);
  btf* types = made.types.get();
  const int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
  const int context = btf__add_struct(types, "xdp_md", sizeof(xdp_md));
  const int pointer = btf__add_ptr(types, context);
  const int prototype = btf__add_func_proto(types, number);
  btf__add_func_param(types, "ctx", pointer);
  made.pass = btf__add_func(types, "pass", BTF_FUNC_GLOBAL, prototype);
  made.slot = btf__add_func(types, "slot", BTF_FUNC_GLOBAL, prototype);
  const int loaded = btf__load_into_kernel(types);
  if (loaded != 0) return refused("the kernel does not take type information", -loaded);
  return made;
}

}  // namespace

Result<std::string> probe_tcp_iterator() {
  return loads(load_tcp_iterator({set(BPF_REG_0, 0), leave()}));
}

Result<std::string> probe_sock_destroy() {
  const auto function = find_kernel_function("bpf_sock_destroy");
  if (!function) return tl::unexpected(function.error());
  constexpr int kSocket = 8;  // offset in struct bpf_iter__tcp; null at the end of the walk
  return loads(
      load_tcp_iterator({read_u64(BPF_REG_1, BPF_REG_1, kSocket), skip_if_zero(BPF_REG_1, 1),
                         call(BPF_PSEUDO_KFUNC_CALL, *function), set(BPF_REG_0, 0), leave()}));
}

Result<std::string> probe_memlock() {
  // libbpf looks for the same helper, which is as old as the charging to cgroups.
  const auto modern =
      load(BPF_PROG_TYPE_SOCKET_FILTER, {call(0, BPF_FUNC_ktime_get_coarse_ns), leave()});
  if (modern) return std::string("does not matter: memory is charged to cgroups");
  if (modern.error().code == ErrorCode::kPermissionDenied) return tl::unexpected(modern.error());
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return refused("cannot read RLIMIT_MEMLOCK", errno);
  if (limit.rlim_max == RLIM_INFINITY) return std::string("unlimited");
  return fail(ErrorCode::kUnsupported,
              "at most " + std::to_string(limit.rlim_max / 1024) + " KiB may be locked");
}

Result<std::string> probe_xdp() {
  return loads(load(BPF_PROG_TYPE_XDP, {set(BPF_REG_0, XDP_PASS), leave()}));
}

Result<std::string> probe_xdp_dispatcher() {
  const auto made = make_dispatcher_types();
  if (!made) return tl::unexpected(made.error());
  bpf_func_info functions[2] = {{0, static_cast<__u32>(made->pass)},
                                {2, static_cast<__u32>(made->slot)}};
  bpf_prog_load_opts options{};
  options.prog_btf_fd = static_cast<__u32>(btf__fd(made->types.get()));
  options.func_info = functions;
  options.func_info_cnt = 2;
  options.func_info_rec_size = sizeof(bpf_func_info);
  // pass(), and slot() after it, at instruction 2; a call counts from the next instruction.
  const auto dispatcher =
      load(BPF_PROG_TYPE_XDP,
           {call(BPF_PSEUDO_CALL, 1), leave(), set(BPF_REG_0, XDP_PASS), leave()}, options);
  if (!dispatcher) return tl::unexpected(dispatcher.error());

  functions[0].type_id = static_cast<__u32>(made->slot);
  options.func_info_cnt = 1;
  options.attach_prog_fd = static_cast<__u32>(dispatcher->get());
  options.attach_btf_id = static_cast<__u32>(made->slot);
  const auto replacement = load(BPF_PROG_TYPE_EXT, {set(BPF_REG_0, XDP_PASS), leave()}, options);
  if (!replacement) return tl::unexpected(replacement.error());

  // The dispatcher itself is attached to no interface, so no packet meets them.
  bpf_link_create_opts to{};
  to.sz = sizeof(to);
  to.target_btf_id = static_cast<__u32>(made->slot);
  const UniqueFd link(
      bpf_link_create(replacement->get(), dispatcher->get(), static_cast<bpf_attach_type>(0), &to));
  if (!link) return refused("loads, and cannot be put in the place of a function", errno);
  return std::string("replaces a function");
}

}  // namespace headgate::kernel
