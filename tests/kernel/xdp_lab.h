// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernel/support.h"

namespace headgate::lab {

// A server with the interfaces c0 and c1, each with a client behind it, and what is said of its
// front line.
class XdpLab : public testing::Test {
 protected:
  // The daemon with the front line on c0 and c1, and rule "web" with these limits.
  Headgated start(const std::string& mode, const std::string& limits,
                  const std::string& more = "") const;
  static std::string interfaces(const std::string& mode);

  // What `headgatectl status` says of it there; null: nothing.
  static nlohmann::json front(const Headgated& headgated, const std::string& interface);
  static bool is_attached(const Headgated& headgated, const std::string& interface);
  // Packets there, from the metrics page.
  double packets(const Headgated& headgated, const std::string& interface,
                 const std::string& verdict, const std::string& reason) const;

  // The XDP program that the server's interface has, as the kernel says: its id, or "".
  std::string xdp_program_of(const std::string& interface) const;
  // How many dispatchers of libxdp are pinned.
  static std::size_t dispatchers();
  // `headgatectl doctor` finds this.
  static bool is_supported(const std::string& requirement);
  // xdp-filter, which drops nothing unless it is told to.
  static void filter(const Host& host, const std::vector<std::string>& arguments);
  // A veth takes what its peer sends back from native XDP only if it has an XDP program, too.
  void accept_transmitted(std::size_t client) const;

  // The interfaces of the pair between the server and that client.
  std::vector<std::pair<const Host*, std::string>> ends_of(std::size_t client) const;
  // Makes the pair anew that was deleted.
  void join_again(std::size_t client) const;

  // Does what is sent arrive, and is it answered? The lab's server echoes nothing: acknowledged is
  // enough.
  static bool is_alive(const UniqueFd& socket,
                       std::chrono::milliseconds timeout = std::chrono::seconds(2));
  // The same for so many bytes.
  static bool carries(const UniqueFd& socket, std::size_t bytes);

  const Lab lab_;
};

}  // namespace headgate::lab
