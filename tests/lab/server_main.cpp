// SPDX-License-Identifier: Apache-2.0
// A TCP server in a process of its own: one that a test can kill, and that has a table of open
// files of its own. It prints "listening" when clients may come.

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "tests/lab/server.h"

int main(int count, char** arguments) {
  using namespace headgate::lab;
  if (count < 3) {
    std::cerr
        << "usage: headgate_lab_server ADDRESS PORT [hold|close|ignore [BACKLOG [reuseport]]]\n";
    return 2;
  }
  try {
    const Endpoint at{address(arguments[1]), static_cast<std::uint16_t>(std::atoi(arguments[2]))};
    const std::string mode = count > 3 ? arguments[3] : "hold";
    ListenOptions options;
    if (count > 4) options.backlog = std::atoi(arguments[4]);
    options.reuse_port = count > 5 && std::string(arguments[5]) == "reuseport";

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    const Server server(listen_on(at, options), mode == "close"    ? ServerMode::kClose
                                                : mode == "ignore" ? ServerMode::kIgnore
                                                                   : ServerMode::kHold);
    std::cout << "listening" << std::endl;
    int received = 0;
    sigwait(&ends, &received);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
