// SPDX-License-Identifier: Apache-2.0
//
// Asks headgate before it greets, and comes back later where it is refused.
//
//   hello DOMAIN USER [SOCKET]
//
//   c++ -std=c++20 hello.cpp $(pkg-config --cflags --libs headgate-client) -o hello

#include <chrono>
#include <exception>
#include <iostream>
#include <thread>

#include <headgate/backoff.h>
#include <headgate/client.h>

namespace {

constexpr int kTries = 5;

int greet(headgate::client::Client& client, const char* user) {
  headgate::client::Key key = client.key({{"user", user}});
  headgate::client::Backoff backoff;
  for (int i = 0; i < kTries; ++i) {
    auto admission = client.try_acquire(key);
    std::cerr << to_text(admission.decision().reason) << '\n';
    if (admission) {
      std::cout << "hello, " << user << '\n';
      admission.end();  // so that adaptive limits learn how long it took
      return 0;
    }
    if (!admission.retry_after()) break;  // never
    std::this_thread::sleep_for(backoff.next(*admission.retry_after()));
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: hello DOMAIN USER [SOCKET]\n";
    return 2;
  }
  headgate::client::Options options{.domain = argv[1]};
  if (argc > 3) options.socket = argv[3];
  headgate::client::Client client(options);
  const auto status = client.status();
  if (!status.is_attached) std::cerr << "without limits: " << status.problem << '\n';
  return greet(client, argv[2]);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
