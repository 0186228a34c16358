// SPDX-License-Identifier: Apache-2.0
// Private to the kernel layer: what is attached.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "common/result.h"
#include "daemon/kernel/programs.h"

namespace headgate::kernel {

// The attached programs by the names of their pins. Until pin_to() says where the pins are, they
// are attached as long as this object lives; after that, until they are dropped. Thread-safe.
class Hooks {
 public:
  using Attach = std::function<bpf_link*()>;

  Hooks() = default;
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;
  ~Hooks();

  // Lets `program` run at the hook `name`: in place of the one that is there, without a gap, or
  // else by `attach`. `where` completes the sentence "cannot attach …".
  Result<void> put(const std::string& name, const bpf_program* program, const Attach& attach,
                   const std::string& where);
  bool has(const std::string& name) const;
  // Detaches it, if it is there.
  void drop(const std::string& name);
  // Drops each hook that `is_wanted` does not want.
  void drop_others(const std::function<bool(const std::string&)>& is_wanted);

  // From now on the hooks are pinned in this directory: those that are attached now, too.
  Result<void> pin_to(const std::string& directory);
  // The same, where an earlier daemon has pinned them: they are there as if put() had put them.
  void adopt(const std::string& directory);

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  bool replace(const std::string& name, const bpf_program* program);
  Result<void> pin(const std::string& name, bpf_link* link) const;

  mutable std::mutex lock_;
  std::string directory_;  // empty: not pinned
  std::map<std::string, Link> links_;
};

// The names of their pins.
inline const std::string kTrackHook = "link_track";
inline const std::string kDestroyedHook = "link_destroyed";
inline const std::string kAdoptedHook = "link_adopted";
std::string netns_hook(std::uint32_t place);
std::string group_hook(std::uint32_t group);

}  // namespace headgate::kernel
