// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

using testing::EndsWith;

TEST(VerifierObjection, IsTheLastLineBeforeTheStatistics) {
  EXPECT_EQ(verifier_objection("libbpf: prog 'admit': BPF program load failed: Permission denied\n"
                               "libbpf: prog 'admit': -- BEGIN PROG LOAD LOG --\n"
                               "12: (85) call bpf_map_lookup_elem#1\n"
                               "R2 type=mem expected=fp, pkt\n"
                               "verification time 12 usec\n"
                               "stack depth 96\n"
                               "processed 12 insns (limit 1000000) max_states_per_insn 0\n"
                               "-- END PROG LOAD LOG --\n"
                               "libbpf: prog 'admit': failed to load: -13\n"
                               "libbpf: failed to load BPF skeleton 'limiter_bpf': -13"),
            "R2 type=mem expected=fp, pkt");
  EXPECT_EQ(verifier_objection("last insn is not an exit or jmp\nprocessed 0 insns\n"),
            "last insn is not an exit or jmp");
}

TEST(VerifierObjection, IsNothingWhereItHasSaidNothing) {
  EXPECT_EQ(verifier_objection(""), "");
  EXPECT_EQ(verifier_objection("libbpf: failed to load BPF skeleton 'limiter_bpf': -1"), "");
}

// What matters stands at its end, however long it is.
TEST(LibbpfLog, KeepsTheEndOfALongMessage) {
  capture_libbpf_log();
  take_libbpf_warnings();
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  libbpf_set_print(print);
  const auto warn = [&](const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print(LIBBPF_WARN, format, arguments);
    va_end(arguments);
  };
  const std::string log = std::string(100'000, 'x') + "\nthe objection\n";
  warn("%s", log.c_str());
  EXPECT_THAT(take_libbpf_warnings(), EndsWith("x\nthe objection"));
}

}  // namespace
}  // namespace headgate::kernel
