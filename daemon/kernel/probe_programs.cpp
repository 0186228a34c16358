// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe_programs.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/programs.h"

namespace headgate::kernel {
namespace {

struct Destroyer {
  void operator()(limiter_bpf* skeleton) const { limiter_bpf__destroy(skeleton); }
};

Result<std::string> failure(int error_number) {
  const std::string said = verifier_objection(take_libbpf_warnings());
  // EACCES is the verifier's answer to a program, not to who loads it.
  return fail(error_number == EPERM ? ErrorCode::kPermissionDenied : ErrorCode::kUnsupported,
              "does not load" + (said.empty() ? "" : " (" + said + ")") + ": " +
                  std::strerror(error_number));
}

}  // namespace

Result<std::string> probe_program(const char* name) {
  take_libbpf_warnings();
  const std::unique_ptr<limiter_bpf, Destroyer> skeleton(limiter_bpf__open());
  if (!skeleton) return failure(errno);
  bpf_program* wanted = bpf_object__find_program_by_name(skeleton->obj, name);
  if (wanted == nullptr) {
    return fail(ErrorCode::kInternal, std::string("headgate has no program '") + name + "'");
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    bpf_program__set_autoload(program, program == wanted);
  }
  if (limiter_bpf__load(skeleton.get()) != 0) return failure(errno);
  return std::string("loads");
}

}  // namespace headgate::kernel
