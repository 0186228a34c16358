// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Words = std::vector<std::string>;

// A program with all that a command line can have, its script, and a real bash that runs it.
class Completion : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "completion-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    std::ofstream(directory + "/good.yaml");
    std::ofstream(directory + "/two words.yaml");
    std::filesystem::create_directory(directory + "/good.d");

    app.add_option("-o,--output", text)->check(CLI::IsMember({"table", "json"}));
    app.add_option("--secret", text)->group("");
    CLI::App* deny = app.add_subcommand("deny");
    CLI::App* add = deny->add_subcommand("add");
    CLI::Option_group* sources = add->add_option_group("Sources");
    sources->add_option("cidr", texts);
    sources->add_option("--file", text)->type_name("FILE");
    add->add_flag("--evict", flag);
    deny->add_subcommand("list");
    CLI::App* check = app.add_subcommand("check");
    check->add_option("file", text)->type_name("FILE");
    check->add_option("--pin-dir", text)->type_name("DIR");
    app.add_subcommand("shell")->add_option("name", text)->check(CLI::IsMember({"bash", "b;id"}));
    app.add_subcommand("unseen")->group("");
    script = directory + "/script";
    std::ofstream(script) << bash_completion(app);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  // The lines that bash prints.
  Words run(const std::string& command) const {
    const std::string file = directory + "/command";
    std::ofstream(file) << "set -u\ncd '" << directory << "'\nsource ./script\n" << command;
    std::FILE* bash = popen(("exec bash --norc '" + file + "' 2>&1").c_str(), "r");
    std::ostringstream output;
    for (int c = std::fgetc(bash); c != EOF; c = std::fgetc(bash)) output << static_cast<char>(c);
    EXPECT_EQ(pclose(bash), 0) << output.str();
    Words lines;
    std::istringstream text_of_lines(output.str());
    for (std::string line; std::getline(text_of_lines, line);) lines.push_back(line);
    return lines;
  }

  // What bash would offer for the last of the words, which are those that readline makes.
  Words offers(const Words& words) const {
    std::string line = "COMP_WORDS=(tool";
    for (const std::string& word : words) line += " '" + word + "'";
    line += ")\nCOMP_CWORD=" + std::to_string(words.size()) + "\n_tool\n";
    return run(line + "if ((${#COMPREPLY[@]})); then printf '%s\\n' \"${COMPREPLY[@]}\"; fi\n");
  }

  CLI::App app{"A tool", "tool"};
  std::string text;
  Words texts;
  bool flag = false;
  std::string directory;
  std::string script;
};

TEST_F(Completion, IsRegisteredForTheProgram) {
  EXPECT_THAT(run("complete -p tool\n"), ElementsAre("complete -F _tool tool"));
}

TEST_F(Completion, OffersCommandsAndThoseBelow) {
  EXPECT_THAT(offers({""}), ElementsAre("deny", "check", "shell"));
  EXPECT_THAT(offers({"ch"}), ElementsAre("check"));
  EXPECT_THAT(offers({"deny", ""}), ElementsAre("add", "list"));
  EXPECT_THAT(offers({"-o", "json", "deny", "l"}), ElementsAre("list"));
  EXPECT_THAT(offers({"nonsense"}), IsEmpty());
}

TEST_F(Completion, OffersOptionsOfTheCommandItsGroupsAndTheProgram) {
  EXPECT_THAT(offers({"deny", "add", "-"}),
              UnorderedElementsAre("--help", "-h", "--evict", "--file", "--output", "-o"));
  EXPECT_THAT(offers({"check", "--p"}), ElementsAre("--pin-dir"));
  EXPECT_THAT(offers({"--se"}), IsEmpty()) << "hidden";
  EXPECT_THAT(offers({"deny", "add", "--", "-"}), IsEmpty()) << "no options after --";
}

TEST_F(Completion, OffersTheChoicesOfAnOption) {
  EXPECT_THAT(offers({"-o", ""}), ElementsAre("table", "json"));
  EXPECT_THAT(offers({"check", "--output", "j"}), ElementsAre("json"));
  EXPECT_THAT(offers({"--output", "=", "j"}), ElementsAre("json"));
  EXPECT_THAT(offers({"--output", "="}), ElementsAre("table", "json"));
  EXPECT_THAT(offers({"--output", "=", "json", "deny", "add", "--ev"}), ElementsAre("--evict"));
}

TEST_F(Completion, OffersFilesAndDirectories) {
  EXPECT_THAT(offers({"check", "good"}), UnorderedElementsAre("good.yaml", "good.d"));
  EXPECT_THAT(offers({"check", "tw"}), ElementsAre("two words.yaml"));
  EXPECT_THAT(offers({"check", "good.yaml", ""}), IsEmpty()) << "takes one";
  EXPECT_THAT(offers({"check", "--pin-dir", ""}), ElementsAre("good.d"));
  EXPECT_THAT(offers({"deny", "add", "--file", "good.y"}), ElementsAre("good.yaml"));
  EXPECT_THAT(offers({"deny", "add", "2001", ":", "db8", "::", "1", "--fi"}),
              ElementsAre("--file"));
}

// A choice that the shell would take for something else is not offered, and what is typed is never
// run.
TEST_F(Completion, RunsNothingOfWhatItIsGiven) {
  EXPECT_THAT(offers({"shell", ""}), ElementsAre("bash"));
  for (const char* word : {"$(touch run)", "`touch run`", "a[$(touch run)]", "x]; touch run; [",
                           "-$(touch run)", "--output=$(touch run)", "*", "@"}) {
    EXPECT_THAT(offers({word, ""}), testing::Not(testing::Contains("json"))) << word;
    EXPECT_THAT(offers({"check", "--pin-dir", word}), IsEmpty()) << word;
    EXPECT_THAT(offers({word}), IsEmpty()) << word;
    EXPECT_FALSE(std::filesystem::exists(directory + "/run")) << word;
  }
}

}  // namespace
}  // namespace headgate::cli
