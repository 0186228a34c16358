// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/document.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::config {
namespace {

std::string error_of(const std::string& yaml) {
  const Result<Node> node = parse_document(yaml, "f");
  return node ? "no error" : node.error().message;
}

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Document, KeepsPlacesAndQuotes) {
  const Result<Node> root = parse_document("a: 1\nb:\n  - 'x'\n  - {c: ~}\n", "f");
  ASSERT_TRUE(root.has_value());
  const auto& entries = root->content->entries;
  ASSERT_EQ(entries.size(), 2U);

  EXPECT_EQ(entries[0].key, "a");
  EXPECT_EQ(entries[0].value.content->text, "1");
  EXPECT_TRUE(entries[0].value.content->plain);
  EXPECT_EQ(entries[0].value.position.line, 1);
  EXPECT_EQ(entries[0].value.position.column, 4);

  EXPECT_EQ(entries[1].position.line, 2);
  EXPECT_EQ(entries[1].position.column, 1);
  const auto& items = entries[1].value.content->items;
  ASSERT_EQ(items.size(), 2U);
  EXPECT_FALSE(items[0].content->plain);
  EXPECT_EQ(items[1].content->kind, NodeKind::kMap);
  EXPECT_EQ(items[1].position.line, 4);
  EXPECT_EQ(items[1].position.column, 5);
  EXPECT_EQ(items[1].content->entries[0].value.content->kind, NodeKind::kEmpty);
}

TEST(Document, NothingIsAnEmptyNode) {
  for (const std::string yaml : {"", "\n\n", "# only a comment\n", "---\n", "--- ~\n...\n"}) {
    const Result<Node> root = parse_document(yaml, "f");
    ASSERT_TRUE(root.has_value()) << yaml;
    EXPECT_EQ(root->content->kind, NodeKind::kEmpty) << yaml;
  }
}

TEST(Document, AnAliasStandsForItsAnchorButHasItsOwnPlace) {
  const Result<Node> root = parse_document("a: &shared {ipv4: 24}\nb: *shared\n", "f");
  ASSERT_TRUE(root.has_value());
  const Node& alias = root->content->entries[1].value;
  EXPECT_EQ(alias.content->entries[0].value.content->text, "24");
  EXPECT_EQ(alias.position.line, 2);
  EXPECT_EQ(alias.position.column, 4);
}

TEST(Document, RefusesAnAliasInsideItsOwnAnchor) {
  EXPECT_EQ(error_of("a: &x [*x]"),
            "f:1:8: this alias stands inside its own anchor; an alias after it would be right");
  EXPECT_EQ(error_of("a: &x {b: {c: *x}}"),
            "f:1:15: this alias stands inside its own anchor; an alias after it would be right");
}

TEST(Document, RefusesWhatYamlLeavesOpen) {
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"),
            "f:3:1: duplicate key 'a', first at line 1; each key once would be right");
  EXPECT_EQ(error_of("m: {a: 1, \"a\": 2}"),
            "f:1:11: duplicate key 'a', first at line 1; each key once would be right");
  EXPECT_EQ(error_of("[a, b]: c"), "f:1:1: a key here is not text; 'key: value' would be right");
  EXPECT_EQ(error_of("~: c"), "f:1:1: a key here is not text; 'key: value' would be right");
  EXPECT_EQ(error_of("a: !!int \"5\""),
            "f:1:4: tag 'tag:yaml.org,2002:int' is not supported; the value without it would be "
            "right");
  EXPECT_EQ(error_of("a: !mine {}"),
            "f:1:4: tag '!mine' is not supported; the value without it would be right");
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"),
            "f:2:1: a second document begins here; one would be right");
}

TEST(Document, ExplainsBadYaml) {
  struct Case {
    std::string yaml;
    std::string message;
  };
  const std::string quotes = "quotes around text with '[', '{' or ':' in it, would be right";
  const Case cases[] = {
      {"a:\n  b: [1, 2\n",
       "f:2:6: what begins here is not closed by line 2; ']' or ',' there, or quotes around text "
       "with brackets in it, would be right"},
      {"a: {b: 1\nc: 2\n",
       "f:1:4: what begins here is not closed by line 2; '}' or ',' there, or quotes around text "
       "with brackets in it, would be right"},
      {"a: \"b\n \n", "f:1:6: the file ends inside quoted text; a closing quote is missing"},
      {"a: *nowhere",
       "f:1:4: an alias without its anchor; '&name' before this line would be right, or quotes "
       "around text that begins with '*'"},
      {R"(a: ["b", "\N"])",
       "f:1:10: the escapes '\\N' and '\\_' are not supported; '\\x85' or '\\xa0' would be right"},
      {R"("\_": b)",
       "f:1:1: the escapes '\\N' and '\\_' are not supported; '\\x85' or '\\xa0' would be right"},
      {"a: @b",
       "f:1:4: a character that cannot begin a value; quotes around the value would be "
       "right"},
      {"a: b: c",
       "f:1:5: a ':' where no value can begin; one 'key: value' per line, or quotes "
       "around text with ': ' in it, would be right"},
      {"a:\n  - b\n c: d\n",
       "f:3:2: not a 'key: value' of the map above; the same indentation as its other keys, and " +
           quotes},
      {"a:\n  - [2001:db8::1]:80\n",
       "f:2:18: not a '- ' item of the list above; the same indentation as its other items, and " +
           quotes},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(c.yaml), c.message) << c.yaml;
}

TEST(Document, BoundsNesting) {
  const std::string limit = "lists and maps nest too deeply; at most 16 levels would be right";
  EXPECT_EQ(error_of(repeat("[", 16) + repeat("]", 16)), "no error");
  EXPECT_EQ(error_of(repeat("[", 17) + repeat("]", 17)), "f:1:17: " + limit);
  EXPECT_EQ(error_of(repeat("[", 15) + "x" + repeat("]", 15)), "no error");
  EXPECT_EQ(error_of(repeat("[", 16) + "x" + repeat("]", 16)), "f:1:17: " + limit);
  for (const std::string deep : {"[", "{a: ", "- ", "? ", "- ? ", "{a: [", "&a [", "[[],"}) {
    const std::string message = error_of(repeat(deep, 100'000) + "x");
    EXPECT_NE(message.find(limit), std::string::npos) << deep << " gave " << message;
  }
}

TEST(Document, BoundsNestingThroughAliases) {
  std::string yaml = "a0: &a0 [x]\n";
  for (int i = 1; i < 20'000; ++i) {
    const std::string n = std::to_string(i);
    yaml += "a" + n + ": &a" + n + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_EQ(error_of(yaml),
            "f:15:12: lists and maps nest too deeply; at most 16 levels would be right");
}

TEST(Document, BoundsTheNumberOfValues) {
  const std::string limit =
      "too many values, counting each alias as what it stands for; at most 1500000 would be right";
  // Every line stands for ten times what the one before it stands for.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    const std::string n = std::to_string(i);
    bomb += "a" + n + ": &a" + n + " [" + before + repeat(", " + before, 9) + "]\n";
  }
  EXPECT_EQ(error_of(bomb), "f:7:15: " + limit);
  EXPECT_EQ(error_of(repeat("- a\n", 1'600'000)), "f:1500000:3: " + limit);
  EXPECT_EQ(error_of(repeat("- a\n", 1'499'999)), "no error");
}

// The YAML library holds a bracketed list in memory before it says that there is one.
TEST(Document, BoundsTheNumberOfBrackets) {
  const std::string limit =
      "too many brackets and commas; at most 2000000 would be right, or lists of '- ' items below "
      "each other";
  for (const std::string bracket : {"[", "]", "{", "}", ","}) {
    EXPECT_EQ(error_of("a:\n" + repeat(bracket, 2'000'001)), "f:2:2000001: " + limit);
  }
  EXPECT_EQ(error_of(repeat(",", 2'000'001)), "f:1:2000001: " + limit);
  // Also in text, where they would do no harm: nobody needs so many.
  EXPECT_EQ(error_of("a: '" + repeat("{}[],", 400'000) + "'"), "no error");
}

TEST(Document, FindsDuplicatesAmongManyKeys) {
  std::string yaml;
  for (int i = 1; i <= 100'000; ++i) yaml += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(error_of(yaml), "no error");
  for (const std::string first : {"1", "16", "17", "18", "99999", "100000"}) {
    EXPECT_EQ(error_of(yaml + "k" + first + ": 1\n"), "f:100001:1: duplicate key 'k" + first +
                                                          "', first at line " + first +
                                                          "; each key once would be right");
  }
}

}  // namespace
}  // namespace headgate::config
