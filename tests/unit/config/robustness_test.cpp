// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/config/parse.h"

namespace headgate::config {
namespace {

std::vector<std::string> read_corpus() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(HEADGATE_FUZZ_CORPUS)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());  // the same mutations on every machine
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return texts;
}

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> corpus) : corpus_(std::move(corpus)) {}

  std::string next() {
    std::string text = pick(corpus_);
    for (std::size_t count = 1 + below(4); count > 0; --count) mutate(text);
    return text;
  }

 private:
  void mutate(std::string& text) {
    static const std::vector<std::string> kPieces = {
        "[",   "]",     "{",  "}",  ": ", "- ",          "\n",   "\n  ",
        "&a ", "*a",    "\"", "'",  "|",  "!!int ",      "? ",   "~",
        "\t",  "---\n", "0",  "-1", "%",  "99999999999", "\xff", std::string(1, '\0')};
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(12);
    switch (below(5)) {
      case 0:
        text.insert(at, pick(kPieces));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(below(text.size() + 1), text.substr(at, length * 8));
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      default:
        text.replace(at, length, pick(lines_of(pick(corpus_))));
    }
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t end = std::min(text.find('\n', start), text.size());
      lines.push_back(text.substr(start, end - start));
      start = end + 1;
    }
    return lines;
  }

  const std::string& pick(const std::vector<std::string>& from) { return from[below(from.size())]; }
  std::size_t below(std::size_t bound) { return random_() % bound; }

  std::vector<std::string> corpus_;
  std::mt19937_64 random_{20240229};  // NOLINT: repeatable on purpose
};

// "f:LINE:COL: …", one line.
bool is_well_formed(const std::string& message) {
  std::size_t at = 2;
  for (int part = 0; part < 2; ++part) {
    const std::size_t digits = message.find_first_not_of("0123456789", at);
    if (digits == at || digits == std::string::npos || message[digits] != ':') return false;
    at = digits + 1;
  }
  return message.starts_with("f:") && message.find('\n') == std::string::npos &&
         message.size() < 1000;
}

TEST(Robustness, AMutatedConfigurationIsAcceptedOrRefusedWithAPlace) {
  const std::vector<std::string> corpus = read_corpus();
  ASSERT_GE(corpus.size(), 10U);
  Mutator mutator(corpus);
  int accepted = 0;
  constexpr int kRounds = 20'000;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.next();
    const Result<Config> config = parse(text, "f");
    if (config) {
      ++accepted;
      continue;
    }
    ASSERT_EQ(config.error().code, ErrorCode::kInvalidArgument) << config.error().message;
    ASSERT_TRUE(is_well_formed(config.error().message)) << config.error().message << "\n" << text;
  }
  // Both outcomes must occur, or the mutations test nothing.
  EXPECT_GT(accepted, kRounds / 500);
  EXPECT_LT(accepted, kRounds / 2);
}

}  // namespace
}  // namespace headgate::config
