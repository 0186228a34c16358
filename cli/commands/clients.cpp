// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using control::v1::ClientsRequest;

struct Arguments {
  std::string rule;
  std::string netns;
  std::string sort = "connections";
  std::uint32_t limit = 100;
  std::uint64_t at_least = 0;
};

const std::map<std::string, ClientsRequest::Order> kOrders = {
    {"connections", ClientsRequest::CONNECTIONS},
    {"refused", ClientsRequest::REFUSED},
    {"rate", ClientsRequest::RATE}};

}  // namespace

void add_clients(Program& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add(
      "clients", "Clients that hold connections, or were refused or connected lately",
      "clients --sort refused --min 1 --limit 20", [&program, arguments] {
        ClientsRequest request;
        request.set_rule(arguments->rule);
        request.set_netns(arguments->netns);
        request.set_limit(arguments->limit);
        request.set_order(kOrders.at(arguments->sort));
        request.set_at_least(arguments->at_least);
        return program.show(Client(program.socket).clients(request), clients_text, clients_json);
      });
  command->add_option("--rule", arguments->rule, "Only this rule's clients");
  command->add_option("--netns", arguments->netns,
                      "Only in this network namespace, as the configuration names it");
  command
      ->add_option("--sort", arguments->sort,
                   "Most first, by connections, refused (lately) or rate (a second)")
      ->check(CLI::IsMember({"connections", "refused", "rate"}))
      ->capture_default_str();
  command->add_option("--min", arguments->at_least, "Only with so many of what it sorts by")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--limit", arguments->limit, "Show at most so many")
      ->check(CLI::Range(1U, 100'000'000U))
      ->capture_default_str();
}

}  // namespace headgate::cli
