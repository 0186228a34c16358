// SPDX-License-Identifier: Apache-2.0
//
// What is made of a document's tree: JSON, and the same tree without merge keys.
#include <string>

#include <gtest/gtest.h>

#include "daemon/config/flow_text.h"
#include "daemon/config/json_text.h"
#include "daemon/config/merge_keys.h"

namespace headgate::config {
namespace {

struct Pair {
  std::string yaml;
  std::string text;
};

Node tree(const std::string& yaml) {
  const Result<Node> node = parse_document(yaml, "f");
  EXPECT_TRUE(node.has_value()) << node.error().message;
  return *node;
}

TEST(Json, IsWhatYaml11Says) {
  const Pair cases[] = {
      {"{ a: text, b: '5', c: 5, d: -1.50, e: yes, f: 'yes', g: ~, h: }",
       R"({"a":"text","b":"5","c":5,"d":-1.5,"e":true,"f":"yes","g":null,"h":null})"},
      {"[1, [0x10, 1e3], {}, { a: [] }]", R"([1,[16,1000],{},{"a":[]}])"},
      {R"({ "a\"\\\n": "\x01ö" })", "{\"a\\\"\\\\\\u000a\":\"\\u0001ö\"}"},
      {"[.inf, .nan, 1_0.5, 2030-01-01, 10.0.0.1, +1.5]",
       R"([".inf",".nan","1_0.5","2030-01-01","10.0.0.1",1.5])"},
  };
  for (const Pair& c : cases) EXPECT_EQ(to_json(tree(c.yaml)), c.text) << c.yaml;
}

TEST(MergeKeys, AddWhatAMapHasNotItself) {
  const Pair cases[] = {
      {"{ a: 1 }", "{ a: 1 }"},
      {"[&b { a: 1, b: 2 }, { <<: *b, b: 3 }]", "[{ a: 1, b: 2 }, { b: 3, a: 1 }]"},
      {"[&b { a: 1, b: 2 }, { b: 3, <<: *b }]", "[{ a: 1, b: 2 }, { b: 3, a: 1 }]"},
      {"[&a { x: 1 }, &b { x: 2, y: 2 }, { <<: [*a, *b] }]",
       "[{ x: 1 }, { x: 2, y: 2 }, { x: 1, y: 2 }]"},
      {"[&a { x: 1 }, &b { <<: *a, y: 2 }, { k: { <<: *b } }]",
       "[{ x: 1 }, { y: 2, x: 1 }, { k: { y: 2, x: 1 } }]"},
      {"{ <<: { a: 1 } }", "{ a: 1 }"},
  };
  for (const Pair& c : cases) {
    const Result<Node> expanded = expand_merge_keys(tree(c.yaml), "f");
    ASSERT_TRUE(expanded.has_value()) << expanded.error().message;
    EXPECT_EQ(to_flow_text(*expanded), c.text) << c.yaml;
  }
}

TEST(MergeKeys, TakeMapsOnly) {
  const std::string what =
      ": what '<<' merges is not a map; an alias of a map such as '<<: *base' would be right";
  for (const Pair& c : {Pair{"{ <<: 1 }", "f:1:7"}, Pair{"{ <<: ~ }", "f:1:7"},
                        Pair{"{ <<: [{ a: 1 }, [b]] }", "f:1:18"}}) {
    const Result<Node> expanded = expand_merge_keys(tree(c.yaml), "f");
    ASSERT_FALSE(expanded.has_value()) << c.yaml;
    EXPECT_EQ(expanded.error().message, c.text + what);
  }
}

}  // namespace
}  // namespace headgate::config
