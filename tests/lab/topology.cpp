// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/topology.h"

#include <unistd.h>

#include <atomic>

#include "tests/lab/error.h"
#include "tests/lab/process.h"

namespace headgate::lab {
namespace {

// Runs lines of `ip` commands inside a namespace.
void ip(const NetworkNamespace& network, const std::string& lines) {
  TempDir directory;
  must_run({"ip", "-batch", directory.write("commands", lines)}, {.network = &network});
}

// One process may build several labs, one after the other or at once.
std::string unique_role(const std::string& role) {
  static std::atomic<int> serial{0};
  return role + "-" + std::to_string(serial++);
}

// `ip netns exec` shows the namespace's own /sys.
void receive_by_interrupt(const NetworkNamespace& network, const std::string& interface) {
  const std::string file = "/sys/class/net/" + interface + "/queues/rx-0/rps_cpus";
  must_run({"ip", "netns", "exec", network.name(), "sh", "-c", "echo 3 > " + file});
}

void join(const Host& server, const Host& client, std::size_t index) {
  const std::string net4 = "10.0." + std::to_string(index + 1) + ".";
  const std::string net6 = "2001:db8:0:" + std::to_string(index + 1) + "::";
  const std::string range4 = "10." + std::to_string(64 + index) + ".0.0/16";
  const std::string range6 = "2001:db8:" + std::to_string(64 + index) + "::/48";
  const std::string port = "c" + std::to_string(index);

  ip(server.network(), "link add " + port + " type veth peer name eth0 netns " +
                           client.network().name() + "\n" +                        //
                           "addr add " + net4 + "1/24 dev " + port + "\n" +        //
                           "addr add " + net6 + "1/64 dev " + port + " nodad\n" +  //
                           "link set " + port + " up\n");
  ip(client.network(),
     "link set lo up\n"
     "link set eth0 up\n"
     "addr add " +
         net4 + "2/24 dev eth0\n" +                      //
         "addr add " + net6 + "2/64 dev eth0 nodad\n" +  //
         "route add default via " + net4 + "1\n" +       //
         "route add default via " + net6 + "1\n" +       //
         "route add local " + range4 + " dev lo\n" +     //
         "route add local " + range6 + " dev lo\n");
  ip(server.network(), "route add " + range4 + " via " + net4 + "2\n" +  //
                           "route add " + range6 + " via " + net6 + "2\n");
  client.network().set_sysctl("net/ipv4/ip_local_port_range", "10000 65535");
}

}  // namespace

Host::Host(const std::string& role, IpAddress ipv4, IpAddress ipv6, unsigned tcp_hash_buckets)
    : network_(unique_role(role), tcp_hash_buckets), ipv4_(ipv4), ipv6_(ipv6) {
  // Else an interface asks for neighbours only after two seconds of duplicate address detection.
  network_.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
}

ConnectResult Host::connect(const Endpoint& to, const ConnectOptions& options) const {
  return network_.run([&] { return connect_to(to, options); });
}

UniqueFd Host::listen(const Endpoint& at, const ListenOptions& options) const {
  return network_.run([&] { return listen_on(at, options); });
}

void Host::own(const std::string& prefix) const {
  ip(network_, "route add local " + prefix + " dev lo\n");
}

Lab::Lab(const Options& options) {
  if (::geteuid() != 0) throw LabError("these tests need root: run them with sudo");
  server_ = std::make_unique<Host>("server", address("10.0.0.1"), address("2001:db8::1"),
                                   options.server_tcp_hash_buckets);
  ip(server_->network(),
     "link set lo up\n"
     "addr add 10.0.0.1/32 dev lo\n"
     "addr add 2001:db8::1/128 dev lo nodad\n");
  for (int i = 0; i < options.clients; ++i) {
    const std::string number = std::to_string(i + 1);
    clients_.push_back(std::make_unique<Host>("client", address("10.0." + number + ".2"),
                                              address("2001:db8:0:" + number + "::2")));
    join(*server_, *clients_.back(), static_cast<std::size_t>(i));
    if (options.receive_by_interrupt) {
      receive_by_interrupt(server_->network(), "c" + std::to_string(i));
      receive_by_interrupt(clients_.back()->network(), "eth0");
    }
  }
  ip(server_->network(), "route add 198.18.0.0/15 via 10.0.1.2\n");
}

}  // namespace headgate::lab
