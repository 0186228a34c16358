// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/hooks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "daemon/kernel/libbpf_log.h"

namespace headgate::kernel {
namespace {

constexpr const char* kNetnsPrefix = "netns_";
constexpr const char* kGroupPrefix = "group_";
constexpr const char* kNewSuffix = "_new";

bool is_there(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

bool is_hook(const std::string& name) {
  for (const std::string prefix : {"link_", kNetnsPrefix, kGroupPrefix}) {
    if (name.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

}  // namespace

std::string netns_hook(std::uint32_t place) {
  return kNetnsPrefix + std::to_string(place);
}

std::string group_hook(std::uint32_t group) {
  return kGroupPrefix + std::to_string(group);
}

Hooks::~Hooks() {
  // Unless they are pinned this detaches them: what refuses first, what counts after it.
  for (auto link = links_.begin(); link != links_.end();) {
    link = link->first.rfind(kNetnsPrefix, 0) == 0 ? links_.erase(link) : std::next(link);
  }
}

// Returns false when there is nothing that could be replaced.
bool Hooks::replace(const std::string& name, const bpf_program* program) {
  const auto known = links_.find(name);
  if (known == links_.end()) return false;
  auto* const to = const_cast<bpf_program*>(program);  // libbpf reads its file descriptor
  if (bpf_link__update_program(known->second.get(), to) == 0) return true;
  take_libbpf_warnings();  // tracing programs cannot be replaced; a namespace may be gone
  return false;
}

Result<void> Hooks::pin(const std::string& name, bpf_link* link) const {
  const std::string place = path(name);
  if (!is_there(place)) {
    if (bpf_link__pin(link, place.c_str()) == 0) return {};
    return fail_libbpf("cannot pin " + place, errno);
  }
  const std::string next = place + kNewSuffix;
  if (bpf_link__pin(link, next.c_str()) != 0) return fail_libbpf("cannot pin " + next, errno);
  // The former link goes with its pin, when the new one is in force already.
  if (std::rename(next.c_str(), place.c_str()) != 0) {
    const int error = errno;
    unlink(next.c_str());
    return fail_errno("cannot put " + next + " in its place", error);
  }
  return {};
}

Result<void> Hooks::put(const std::string& name, const bpf_program* program, const Attach& attach,
                        const std::string& where) {
  const std::lock_guard lock(lock_);
  if (replace(name, program)) return {};
  Link link(attach());
  if (!link) return fail_libbpf("cannot attach " + where, errno);
  if (!directory_.empty()) {
    if (auto pinned = pin(name, link.get()); !pinned) return pinned;
  }
  links_[name] = std::move(link);
  return {};
}

bool Hooks::has(const std::string& name) const {
  const std::lock_guard lock(lock_);
  return links_.count(name) > 0;
}

void Hooks::drop(const std::string& name) {
  const std::lock_guard lock(lock_);
  if (!directory_.empty()) unlink(path(name).c_str());
  links_.erase(name);
}

void Hooks::drop_others(const std::function<bool(const std::string&)>& is_wanted) {
  const std::lock_guard lock(lock_);
  for (auto link = links_.begin(); link != links_.end();) {
    if (is_wanted(link->first)) {
      ++link;
      continue;
    }
    if (!directory_.empty()) unlink(path(link->first).c_str());
    link = links_.erase(link);
  }
}

Result<void> Hooks::pin_to(const std::string& directory) {
  const std::lock_guard lock(lock_);
  directory_ = directory;
  // Gates last: a start that is killed here must not leave one without what counts behind it.
  for (const bool is_gate : {false, true}) {
    for (const auto& [name, link] : links_) {
      if ((name.rfind(kNetnsPrefix, 0) == 0) != is_gate) continue;
      if (auto pinned = pin(name, link.get()); !pinned) return pinned;
    }
  }
  return {};
}

void Hooks::adopt(const std::string& directory) {
  const std::lock_guard lock(lock_);
  directory_ = directory;
  std::vector<std::string> pinned;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename();
    if (is_hook(name)) pinned.push_back(name);
  }
  for (const std::string& name : pinned) {
    if (name.ends_with(kNewSuffix)) {
      unlink(path(name).c_str());  // a daemon was killed while it exchanged one
    } else if (bpf_link* const link = bpf_link__open(path(name).c_str())) {
      links_[name].reset(link);
    } else {
      take_libbpf_warnings();  // put() attaches another one in its place
    }
  }
}

}  // namespace headgate::kernel
