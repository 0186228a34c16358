// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using control::v1::ExplainRequest;
using control::v1::ExplainResponse;

struct Arguments {
  std::string address;
  std::string rule;
  std::uint16_t port = 0;
  std::string server;
  std::string netns;
};

// One for the rule or port that was named, or else one for every rule.
Result<std::vector<ExplainRequest>> requests_of(const Arguments& arguments, Client& client) {
  ExplainRequest request;
  request.set_client(arguments.address);
  request.set_rule(arguments.rule);
  request.set_port(arguments.port);
  request.set_server(arguments.server);
  request.set_netns(arguments.netns);
  if (!arguments.rule.empty() || arguments.port != 0) return std::vector{request};
  const auto status = client.status();
  if (!status) return tl::unexpected(status.error());
  std::vector<ExplainRequest> requests;
  for (const auto& rule : status->rules()) {
    request.set_rule(rule.name());
    requests.push_back(request);
  }
  if (requests.empty()) return fail(ErrorCode::kNotFound, "no rules: nobody is limited");
  return requests;
}

int run(const Program& program, const Arguments& arguments) {
  Client client(program.socket);
  const auto requests = requests_of(arguments, client);
  if (!requests) return program.complain(requests.error());
  std::vector<ExplainResponse> explanations;
  std::string text;
  for (const ExplainRequest& request : *requests) {
    const auto explanation = client.explain(request);
    if (!explanation) return program.complain(explanation.error());
    text += (text.empty() ? "" : "\n") +
            explain_text(*explanation, std::chrono::system_clock::now(), Colour::of_stdout());
    explanations.push_back(*explanation);
  }
  return program.print(program.wants_json() ? explain_json(explanations) : text);
}

}  // namespace

void add_explain(Program& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add(
      "explain", "What a new connection of a client would get now, and why",
      "explain 192.0.2.7 --port 443", [&program, arguments] { return run(program, *arguments); });
  command->add_option("address", arguments->address, "Address of the client")
      ->check(is_address())
      ->required();
  CLI::Option* rule = command->add_option("--rule", arguments->rule,
                                          "At this rule; without it and --port: at every rule");
  CLI::Option* port = command->add_option("--port", arguments->port, "At the rule of this port")
                          ->check(CLI::Range(1, 65535))
                          ->excludes(rule);
  command
      ->add_option("--server", arguments->server,
                   "Address of this machine that the client connects to [loopback]")
      ->check(is_address())
      ->needs(port);
  command->add_option("--netns", arguments->netns,
                      "In this network namespace, as the configuration names it [the first]");
}

}  // namespace headgate::cli
