// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/metrics_page.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <sstream>

#include "tests/lab/error.h"
#include "tests/lab/socket.h"

namespace headgate::lab {

double MetricsPage::at(const std::string& sample) const {
  const auto found = samples.find(sample);
  if (found != samples.end()) return found->second;
  std::string others;
  const std::string name = sample.substr(0, sample.find('{'));
  for (const auto& [key, value] : samples) {
    if (key.compare(0, name.size(), name) == 0) others += "\n  " + key;
  }
  throw LabError("the metrics page has no sample " + sample + "; it has:" + others);
}

double MetricsPage::sum(const std::string& name) const {
  double total = 0;
  for (const auto& [key, value] : samples) {
    if (key == name || key.rfind(name + "{", 0) == 0) total += value;
  }
  return total;
}

MetricsPage parse_metrics(const std::string& text) {
  MetricsPage page;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line.rfind("# HELP ", 0) == 0 || line.rfind("# TYPE ", 0) == 0) {
      std::istringstream fields(line.substr(7));
      std::string name, rest;
      fields >> name;
      std::getline(fields >> std::ws, rest);
      (line[2] == 'H' ? page.help : page.type)[name] = rest;
      continue;
    }
    const auto space = line.rfind(' ');
    if (line[0] == '#' || space == std::string::npos) throw LabError("not a metric: " + line);
    page.samples[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return page;
}

std::string http_get(const Endpoint& server, const std::string& path) {
  const ConnectResult connection = connect_to(server);
  if (!connection.connected()) {
    throw LabError("cannot connect to port " + std::to_string(server.port) + ": " +
                   std::strerror(connection.error));
  }
  const int socket = connection.socket.get();
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n";
  check(::send(socket, request.data(), request.size(), MSG_NOSIGNAL), "send an HTTP request");
  std::string answer;
  std::array<char, 16 * 1024> data;
  while (true) {
    pollfd wanted{socket, POLLIN, 0};
    if (::poll(&wanted, 1, 10'000) != 1) throw LabError("no HTTP answer in 10 seconds");
    const auto received = check(::recv(socket, data.data(), data.size(), 0), "HTTP answer");
    if (received == 0) break;
    answer.append(data.data(), static_cast<std::size_t>(received));
  }
  const auto body = answer.find("\r\n\r\n");
  const std::string status = answer.substr(0, answer.find("\r\n"));
  if (body == std::string::npos || status.find(" 200") == std::string::npos) {
    throw LabError("GET " + path + ": " + status);
  }
  return answer.substr(body + 4);
}

}  // namespace headgate::lab
