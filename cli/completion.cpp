// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

namespace headgate::cli {
namespace {

using Words = std::vector<std::string>;

// What stands behind `declare -A` in the script: words by the command they belong to.
struct Tables {
  std::map<std::string, Words> commands;  // by command: "headgatectl deny"
  std::map<std::string, Words> options;   // by command
  std::map<std::string, Words> values;    // by command and option: "headgatectl -o"
  std::map<std::string, Words>
      operands;  // by command and place: "headgatectl check 1"; "… *": more
};

// Anything else could mean something to the shell.
bool is_plain(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string("-_.,/+@").find(c) != std::string::npos;
  });
}

void add_word(Words& words, const std::string& word) {
  if (is_plain(word) && std::find(words.begin(), words.end(), word) == words.end()) {
    words.push_back(word);
  }
}

// What the type of an option says that may stand there: "TEXT:{table,json}", "FILE".
Words choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (type == "FILE") return {":file"};
  if (type == "DIR") return {":directory"};
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}', begin == std::string::npos ? 0 : begin);
  Words words;
  if (begin == std::string::npos || end == std::string::npos) return words;
  std::istringstream list(type.substr(begin + 1, end - begin - 1));
  for (std::string word; std::getline(list, word, ',');) add_word(words, word);
  return words;
}

Words names_of(const CLI::Option& option) {
  Words names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

void add_option(Tables& tables, const std::string& command, const CLI::Option& option,
                int& operands) {
  if (option.get_group().empty()) return;
  const bool takes_value = option.get_items_expected_max() > 0;
  for (const std::string& name : names_of(option)) {
    add_word(tables.options[command], name);
    if (takes_value) tables.values[command + " " + name] = choices_of(option);
  }
  if (option.nonpositional() || !option.get_positional()) return;
  ++operands;
  const bool is_list = option.get_items_expected_max() > 1;
  const std::string place = is_list ? "*" : std::to_string(operands);
  tables.operands[command + " " + place] = choices_of(option);
}

void add_options(Tables& tables, const std::string& command, const CLI::App& app, int& operands) {
  for (const CLI::Option* option : app.get_options()) {
    add_option(tables, command, *option, operands);
  }
}

void add_command(Tables& tables, const CLI::App& program, const CLI::App& app,
                 const std::string& command) {
  tables.options[command];
  int operands = 0;
  add_options(tables, command, app, operands);
  const auto below = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* part : below) {
    if (part->get_name().empty()) {  // a group of options, not a command
      add_options(tables, command, *part, operands);
    } else if (!part->get_group().empty()) {
      add_word(tables.commands[command], part->get_name());
      add_command(tables, program, *part, command + " " + part->get_name());
    }
  }
  int none = 0;
  if (&app != &program) add_options(tables, command, program, none);
}

std::string text_of(const std::string& name, const std::map<std::string, Words>& table) {
  std::string text = "  local -A " + name + "=(\n";
  for (const auto& [key, words] : table) {
    std::string line;
    for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
    text += "    ['" + key + "']='" + line + "'\n";
  }
  return text + "  )\n";
}

// `@` stands for the name of the program. The subscripts are expanded once, so nothing of what is
// typed is ever run.
constexpr const char* kHead =
    R"(# Completes the command line of @ in bash; printed by `@ completion bash`.
_@() {
)";
constexpr const char* kBody =
    R"(  local command=@ option='' place=1 only_operands='' words='' word i
  local current=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    # readline splits at these: --output=json and 2001:db8::1 come as several words.
    if [[ $word == = || $word == : || $word == :: || ${COMP_WORDS[i - 1]} == :* ]]; then
      continue
    elif [[ -n $option ]]; then
      option=''
    elif [[ -z $only_operands && $word == -- ]]; then
      only_operands=yes
    elif [[ -z $only_operands && $word == -* ]]; then
      if [[ -n ${values[$command $word]+set} ]]; then option=$word; fi
    elif [[ " ${commands[$command]-} " == *" $word "* ]]; then
      command+=" $word"
      place=1
    else
      ((place += 1))
    fi
  done
  if [[ $current == = ]]; then current=''; fi
  if [[ -n $option ]]; then
    words=${values[$command $option]}
  elif [[ -z $only_operands && $current == -* ]]; then
    words=${options[$command]}
  elif [[ -n ${commands[$command]-} ]]; then
    words=${commands[$command]}
  else
    words=${operands[$command $place]-${operands[$command *]-}}
  fi
  case $words in
    :file | :directory)
      compopt -o filenames 2>/dev/null # fails only where nobody is typing
      if [[ $words == :file ]]; then word=-f; else word=-d; fi
      mapfile -t COMPREPLY < <(compgen "$word" -- "$current")
      ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
  esac
}
complete -F _@ @
)";

std::string named(std::string text, const std::string& name) {
  for (std::size_t at = text.find('@'); at != std::string::npos;
       at = text.find('@', at + name.size())) {
    text.replace(at, 1, name);
  }
  return text;
}

}  // namespace

std::string bash_completion(const CLI::App& program) {
  const std::string name = program.get_name();
  Tables tables;
  add_command(tables, program, program, name);
  return named(kHead, name) + text_of("commands", tables.commands) +
         text_of("options", tables.options) + text_of("values", tables.values) +
         text_of("operands", tables.operands) + named(kBody, name);
}

}  // namespace headgate::cli
