// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/kernel_objects.h"

#include <bpf/bpf.h>

#include <array>
#include <filesystem>
#include <sstream>
#include <vector>

#include "tests/lab/error.h"
#include "tests/lab/temp_dir.h"

namespace headgate::lab {
namespace {

template <typename Open>
std::set<std::uint32_t> existing(const std::set<std::uint32_t>& ids, Open open) {
  std::set<std::uint32_t> result;
  for (const std::uint32_t id : ids) {
    if (UniqueFd(open(id))) result.insert(id);
  }
  return result;
}

std::vector<bpf_prog_info> infos_of(const KernelObjects& objects) {
  std::vector<bpf_prog_info> infos;
  for (const std::uint32_t id : objects.programs) {
    const UniqueFd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    __u32 length = sizeof info;
    if (program && bpf_obj_get_info_by_fd(program.get(), &info, &length) == 0) {
      infos.push_back(info);
    }
  }
  return infos;
}

}  // namespace

KernelObjects objects_of(pid_t pid) {
  KernelObjects objects;
  const auto directory = "/proc/" + std::to_string(pid) + "/fdinfo";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::istringstream lines(read_file(entry.path()));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string key;
      std::uint32_t id = 0;
      fields >> key >> id;
      if (key == "prog_id:") objects.programs.insert(id);
      if (key == "map_id:") objects.maps.insert(id);
      if (key == "link_id:") objects.links.insert(id);
    }
  }
  return objects;
}

KernelObjects still_alive(const KernelObjects& objects) {
  return {existing(objects.programs, bpf_prog_get_fd_by_id),
          existing(objects.maps, bpf_map_get_fd_by_id),
          existing(objects.links, bpf_link_get_fd_by_id)};
}

std::uint64_t missed_runs(const KernelObjects& objects) {
  std::uint64_t missed = 0;
  for (const bpf_prog_info& info : infos_of(objects)) missed += info.recursion_misses;
  return missed;
}

RunCounting::RunCounting()
    : enabled_(check(bpf_enable_stats(BPF_STATS_RUN_TIME), "count the runs of programs")) {}

std::uint64_t RunCounting::runs_of(const std::string& name, const KernelObjects& objects) const {
  std::uint64_t runs = 0;
  for (const bpf_prog_info& info : infos_of(objects)) {
    if (info.name == name) runs += info.run_cnt;
  }
  return runs;
}

std::size_t sk_lookup_programs(const NetworkNamespace& network) {
  std::array<__u32, 64> ids{};
  __u32 count = ids.size();
  __u32 flags = 0;
  const int error = bpf_prog_query(network.fd(), BPF_SK_LOOKUP, 0, &flags, ids.data(), &count);
  if (error < 0) {
    errno = -error;
    check(-1, "cannot ask which sk_lookup programs are attached");
  }
  return count;
}

}  // namespace headgate::lab
