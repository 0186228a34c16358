// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

#include "common/unique_fd.h"
#include "tests/lab/network_namespace.h"

// BPF objects, as the kernel numbers them.
namespace headgate::lab {

struct KernelObjects {
  std::set<std::uint32_t> programs;
  std::set<std::uint32_t> maps;
  std::set<std::uint32_t> links;

  bool empty() const { return programs.empty() && maps.empty() && links.empty(); }
};

// What a process holds open.
KernelObjects objects_of(pid_t pid);
// Those of `objects` that exist.
KernelObjects still_alive(const KernelObjects& objects);
// How often the kernel did not run one of the programs because it was already running on the same
// processor.
std::uint64_t missed_runs(const KernelObjects& objects);
// Has the kernel count the runs of programs, as long as this lives.
class RunCounting {
 public:
  RunCounting();

  // How often those of `objects` that have this name have run since the first RunCounting.
  std::uint64_t runs_of(const std::string& name, const KernelObjects& objects) const;

 private:
  UniqueFd enabled_;
};
// How many sk_lookup programs are attached to a namespace.
std::size_t sk_lookup_programs(const NetworkNamespace& network);

}  // namespace headgate::lab
