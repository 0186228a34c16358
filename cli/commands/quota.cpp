// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/quota_input.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using control::v1::QuotaCheckRequest;
using control::v1::QuotaDomainsRequest;
using control::v1::QuotaTopRequest;

struct Arguments {
  std::string domain;
  std::vector<std::string> entries;
  std::uint32_t cost = 1;
  bool take = false;
  std::uint32_t limit = 100;
};

int run_list(const Program& program) {
  return program.show(Client(program.socket).quota_domains({}), quota_list_text,
                      quota_domains_json);
}

int run_show(const Program& program, const Arguments& arguments) {
  QuotaDomainsRequest request;
  request.set_domain(arguments.domain);
  return program.show(
      Client(program.socket).quota_domains(request),
      [](const auto& answer) { return quota_show_text(answer, Colour::of_stdout()); },
      quota_domains_json);
}

int run_check(const Program& program, const Arguments& arguments) {
  QuotaCheckRequest request;
  request.set_domain(arguments.domain);
  request.set_cost(arguments.cost);
  request.set_take(arguments.take);
  for (const std::string& text : arguments.entries) {
    const auto entries = read_entries(text);
    if (!entries) return program.complain(entries.error());
    for (const EntryText& entry : *entries) {
      control::v1::QuotaEntry* message = request.add_entries();
      message->set_key(entry.key);
      message->set_value(entry.value);
    }
  }
  const auto answer = Client(program.socket).quota_check(request);
  const int printed = program.show(
      answer,
      [&](const auto& found) { return quota_check_text(request, found, Colour::of_stdout()); },
      quota_check_json);
  return answer && !answer->is_admitted() ? kBad : printed;
}

int run_top(const Program& program, const Arguments& arguments) {
  QuotaTopRequest request;
  request.set_domain(arguments.domain);
  request.set_limit(arguments.limit);
  return program.show(Client(program.socket).quota_top(request), quota_top_text, quota_top_json);
}

CLI::Validator is_entries() {
  return {[](const std::string& text) {
            const auto entries = read_entries(text);
            return entries ? std::string() : entries.error().to_string();
          },
          "KEY=VALUE"};
}

void add_check(Program& program, CLI::App& quota) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_to(
      quota, "check",
      "What a request would get now, and from which rule; exit code 1 if it would be refused",
      "quota check api user=alice,action=export --cost 5",
      [&program, arguments] { return run_check(program, *arguments); });
  command->add_option("domain", arguments->domain, "The domain that it asks")->required();
  command
      ->add_option("entry", arguments->entries,
                   "The entries of its descriptor, in their order; commas between them, too")
      ->check(is_entries())
      ->required();
  command->add_option("--cost", arguments->cost, "What it would take")
      ->check(CLI::Range(1U, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
  command->add_flag("--take", arguments->take,
                    "Count it, as if a service had asked; without this it is only looked at");
}

}  // namespace

void add_quota(Program& program) {
  CLI::App* quota = program.app.add_subcommand("quota", "The request quotas of services");
  quota->require_subcommand(1);
  quota->footer("Example: headgatectl quota show api");

  program.add_to(*quota, "list", "The domains, and how full they are", "quota list",
                 [&program] { return run_list(program); });

  const auto show = std::make_shared<Arguments>();
  CLI::App* command = program.add_to(
      *quota, "show", "The rules and client quotas of a domain, and what they have done",
      "quota show api", [&program, show] { return run_show(program, *show); });
  command->add_option("domain", show->domain, "This domain [all]");

  add_check(program, *quota);

  const auto top = std::make_shared<Arguments>();
  command =
      program.add_to(*quota, "top", "The keys that are asked for most", "quota top api --limit 20",
                     [&program, top] { return run_top(program, *top); });
  command->add_option("domain", top->domain, "Of this domain [all]");
  command->add_option("--limit", top->limit, "Show at most so many")
      ->check(CLI::Range(1U, 100'000U))
      ->capture_default_str();
}

}  // namespace headgate::cli
