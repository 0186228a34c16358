// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include "tests/lab/error.h"

namespace headgate::lab {
namespace {

constexpr const char* kVariable = "NOTIFY_SOCKET";

}  // namespace

NotifySocket::NotifySocket()
    : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  check(socket_.get(), "socket");
  const std::string path = (directory_.path() / "notify.sock").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  check(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        "bind " + path);
  check(::setenv(kVariable, path.c_str(), 1), "setenv");
}

NotifySocket::~NotifySocket() {
  ::unsetenv(kVariable);
}

void NotifySocket::receive() {
  std::array<char, 4096> text{};
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
    if (size < 0) return;
    std::istringstream lines(std::string(text.data(), static_cast<std::size_t>(size)));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("STATUS=")) status_ = line.substr(line.find('=') + 1);
      if (line == "READY=1") ++times_ready_;
    }
  }
}

const std::string& NotifySocket::status() {
  receive();
  return status_;
}

int NotifySocket::times_ready() {
  receive();
  return times_ready_;
}

}  // namespace headgate::lab
