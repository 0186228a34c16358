// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/deny_input.h"
#include "cli/render.h"

namespace headgate::cli {
namespace {

using std::chrono::system_clock;

struct Arguments {
  std::vector<std::string> cidrs;
  std::string file;
  std::string duration;
  std::string until;
  std::string reason;
  bool hard = false;
  bool evict = false;
};

// Those of the command line and of the file.
Result<std::vector<DenyLine>> lines_of(const Arguments& arguments) {
  std::vector<DenyLine> lines;
  for (const std::string& cidr : arguments.cidrs) lines.push_back({cidr, ""});
  if (arguments.file.empty()) return lines;
  auto more = read_deny_file(arguments.file);
  if (!more) return more;
  lines.insert(lines.end(), more->begin(), more->end());
  return lines;
}

Result<std::int64_t> expiry_of(const Arguments& arguments) {
  if (!arguments.duration.empty()) return expiry_after(arguments.duration, system_clock::now());
  if (!arguments.until.empty()) return expiry_at(arguments.until, system_clock::now());
  return 0;
}

int run_add(const Program& program, const Arguments& arguments) {
  const auto lines = lines_of(arguments);
  if (!lines) return program.complain(lines.error());
  const auto expiry = expiry_of(arguments);
  if (!expiry) return program.complain(expiry.error());
  control::v1::DenyAddRequest request;
  for (const DenyLine& line : *lines) {
    control::v1::DenyEntry* entry = request.add_entries();
    entry->set_cidr(line.cidr);
    entry->set_reason(line.reason.empty() ? arguments.reason : line.reason);
    entry->set_until_unix_ms(*expiry);
    entry->set_is_hard(arguments.hard);
  }
  request.set_evict(arguments.evict);
  return program.show(
      Client(program.socket).deny_add(request),
      [&](const auto& answer) { return deny_text(answer, arguments.evict); }, deny_json);
}

int run_remove(const Program& program, const Arguments& arguments) {
  const auto lines = lines_of(arguments);
  if (!lines) return program.complain(lines.error());
  control::v1::DenyRemoveRequest request;
  for (const DenyLine& line : *lines) request.add_cidrs(line.cidr);
  return program.show(
      Client(program.socket).deny_remove(request),
      [](const auto& answer) { return deny_text(answer, false); }, deny_json);
}

int run_list(const Program& program) {
  std::vector<control::v1::DenyListed> list;
  const auto done =
      Client(program.socket).deny_list([&](const control::v1::DenyListResponse& part) {
        list.insert(list.end(), part.entries().begin(), part.entries().end());
        return true;
      });
  if (!done) return program.complain(done.error());
  return program.print(program.wants_json() ? deny_list_json(list)
                                            : deny_list_text(list, system_clock::now()));
}

CLI::Validator checked_by(Result<std::int64_t> (*read)(const std::string&,
                                                       system_clock::time_point),
                          const char* name) {
  return {[read](const std::string& text) {
            const auto expiry = read(text, system_clock::now());
            return expiry ? std::string() : expiry.error().to_string();
          },
          name};
}

void add_sources(CLI::App& command, const std::shared_ptr<Arguments>& arguments) {
  CLI::Option_group* sources = command.add_option_group("Clients", "At least one of");
  sources->add_option("cidr", arguments->cidrs, "Addresses or CIDRs")->check(is_cidr());
  sources
      ->add_option("--file", arguments->file,
                   "One CIDR a line, then its reason; # begins a comment; - is standard input")
      ->type_name("FILE");
  sources->require_option(1, 2);
}

}  // namespace

void add_deny(Program& program) {
  CLI::App* deny = program.app.add_subcommand("deny", "The clients that every rule refuses");
  deny->require_subcommand(1);
  deny->footer("Example: headgatectl deny add 198.51.100.0/24 --for 10m --reason scanner");

  const auto add = std::make_shared<Arguments>();
  CLI::App* command = program.add_to(
      *deny, "add", "Deny clients; those on the list already get the new expiry, reason and --hard",
      "deny add 198.51.100.0/24 --for 10m --reason scanner --evict",
      [&program, add] { return run_add(program, *add); });
  add_sources(*command, add);
  CLI::Option* duration = command->add_option("--for", add->duration, "So long; 10m, 12h, 30d")
                              ->check(checked_by(expiry_after, "TIME"));
  command->add_option("--until", add->until, "Until then; 2030-01-01T00:00:00Z")
      ->check(checked_by(expiry_at, "TIME"))
      ->excludes(duration);
  command->add_option("--reason", add->reason, "Why; for those without a reason in the file");
  command->add_flag("--hard", add->hard,
                    "Also drop the packets of the connections that they have, where the front line "
                    "(xdp) is attached");
  command->add_flag("--evict", add->evict, "Close the connections that they have, too");

  const auto remove = std::make_shared<Arguments>();
  command = program.add_to(*deny, "del", "Take clients off the list; ends their penalties, too",
                           "deny del 198.51.100.0/24",
                           [&program, remove] { return run_remove(program, *remove); });
  add_sources(*command, remove);

  program.add_to(*deny, "list", "Who is denied, by the configuration, an operator or a penalty",
                 "deny list -o json", [&program] { return run_list(program); });
}

}  // namespace headgate::cli
