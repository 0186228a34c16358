// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/xdp_lab.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>

#include "tests/lab/error.h"
#include "tests/lab/process.h"

namespace headgate::lab {
namespace {

// Until all that was sent is acknowledged.
bool drains(const UniqueFd& socket, std::chrono::milliseconds timeout) {
  return eventually(timeout, [&socket] {
    int waiting = 0;
    return ioctl(socket.get(), SIOCOUTQ, &waiting) == 0 && waiting == 0;
  });
}

}  // namespace

std::string XdpLab::interfaces(const std::string& mode) {
  return "xdp: { interfaces: [{ name: \"c[0-9]\", mode: " + mode + " }] }\n";
}

Headgated XdpLab::start(const std::string& mode, const std::string& limits,
                        const std::string& more) const {
  return Headgated(lab_.server(), web_rule(limits) + interfaces(mode) + more);
}

nlohmann::json XdpLab::front(const Headgated& headgated, const std::string& interface) {
  const auto status = headgated.status();
  for (const auto& one : status["xdp"]) {
    if (one["interface"] == interface) return one;
  }
  return nullptr;
}

bool XdpLab::is_attached(const Headgated& headgated, const std::string& interface) {
  const auto one = front(headgated, interface);
  return !one.is_null() && one["mode"] != "none";
}

double XdpLab::packets(const Headgated& headgated, const std::string& interface,
                       const std::string& verdict, const std::string& reason) const {
  return headgated.metrics().counted("headgate_xdp_packets_total{interface=\"" + interface +
                                     "\",netns=\"" + lab_.server().network().path() +
                                     "\",verdict=\"" + verdict + "\",reason=\"" + reason + "\"}");
}

std::string XdpLab::xdp_program_of(const std::string& interface) const {
  const std::string said = must_run({"ip", "-json", "-details", "link", "show", "dev", interface},
                                    {.network = &lab_.server().network()});
  const auto link = nlohmann::json::parse(said).at(0);
  return link.contains("xdp") ? link["xdp"]["prog"]["id"].dump() : "";
}

std::size_t XdpLab::dispatchers() {
  std::error_code none;
  const std::filesystem::directory_iterator all("/sys/fs/bpf/xdp", none);
  return static_cast<std::size_t>(
      std::count_if(begin(all), end(all), [](const std::filesystem::directory_entry& one) {
        return one.path().filename().string().rfind("dispatch-", 0) == 0;
      }));
}

bool XdpLab::is_supported(const std::string& requirement) {
  const auto said = run_command({HEADGATECTL_PROGRAM, "-o", "json", "doctor"});
  const auto found = nlohmann::json::parse(said.output);
  for (const auto& one : found["requirements"]) {
    if (one["name"] == requirement) return one["is_met"];
  }
  throw LabError("doctor does not know " + requirement);
}

void XdpLab::filter(const Host& host, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"xdp-filter"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  must_run(command, {.network = &host.network()});
}

void XdpLab::accept_transmitted(std::size_t client) const {
  filter(lab_.client(client), {"load", "-m", "native", "eth0"});
}

std::vector<std::pair<const Host*, std::string>> XdpLab::ends_of(std::size_t client) const {
  return {{&lab_.server(), "c" + std::to_string(client)}, {&lab_.client(client), "eth0"}};
}

void XdpLab::join_again(std::size_t client) const {
  const std::string port = "c" + std::to_string(client);
  const std::string net = "10.0." + std::to_string(client + 1) + ".";
  must_run({"sh", "-c",
            "ip link add " + port + " type veth peer name eth0 netns " +
                lab_.client(client).network().name() + " && ip addr add " + net + "1/24 dev " +
                port + " && ip link set " + port + " up"},
           {.network = &lab_.server().network()});
  must_run({"sh", "-c",
            "ip link set eth0 up && ip addr add " + net +
                "2/24 dev eth0 && ip route add default "
                "via " +
                net + "1"},
           {.network = &lab_.client(client).network()});
}

bool XdpLab::is_alive(const UniqueFd& socket, std::chrono::milliseconds timeout) {
  // What is waiting since earlier counts, too.
  if (send(socket.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) return false;
  return drains(socket, timeout);
}

bool XdpLab::carries(const UniqueFd& socket, std::size_t bytes) {
  const std::vector<char> block(1 << 20, 'x');
  for (std::size_t sent = 0; sent < bytes;) {
    pollfd room{socket.get(), POLLOUT, 0};
    if (poll(&room, 1, 10'000) != 1) return false;
    const ssize_t more =
        send(socket.get(), block.data(), std::min(block.size(), bytes - sent), MSG_NOSIGNAL);
    if (more <= 0) return false;
    sent += static_cast<std::size_t>(more);
  }
  return drains(socket, std::chrono::seconds(10));
}

}  // namespace headgate::lab
