// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/document.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "common/utf8.h"
#include "daemon/config/error.h"

namespace headgate::config {
namespace {

Position position_of(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};  // no mark is -1, -1
}

// Thrown by Builder through the YAML parser, which has no other way to be stopped.
struct Rejected {
  Position position;
  std::string message;
};

// Builds the tree from the parser's events and throws Rejected as soon as a bound is exceeded, so
// that neither nesting nor aliases can exhaust the stack or memory.
class Builder final : public YAML::EventHandler {
 public:
  std::optional<Node> root() const { return root_; }

  // The list or map that was open when the parser gave up, if any.
  std::optional<std::pair<Position, NodeKind>> innermost_open() const {
    if (open_.empty()) return std::nullopt;
    return std::pair(open_.back().position, open_.back().content.kind);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) {
      throw Rejected{position_of(mark), "a second document begins here; one would be right"};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(position_of(mark), anchor, Content{});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    // The library makes single bytes of these two escapes, which no text may have.
    if (tag == "!" && !is_utf8(value)) {
      throw Rejected{position_of(mark),
                     "the escapes '\\N' and '\\_' are not supported; '\\x85' or '\\xa0' would be "
                     "right"};
    }
    Content content;
    content.kind = NodeKind::kScalar;
    content.text = value;
    content.plain = tag != "!";
    add(position_of(mark), anchor, std::move(content));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Rejected{position_of(mark),
                     "this alias stands inside its own anchor; an alias after it would be right"};
    }
    add(Node{position_of(mark), found->second});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(position_of(mark), anchor, NodeKind::kList);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(position_of(mark), anchor, NodeKind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Position position;
    YAML::anchor_t anchor = YAML::NullAnchor;
    Content content;
    std::optional<Entry> key;                          // read, its value not yet
    std::unordered_map<std::string, Position> keys{};  // of a map with many, to find duplicates
  };

  // "?" is the parser's word for no tag, "!" for quoted text.
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Rejected{position_of(mark),
                   "tag " + quote(tag) + " is not supported; the value without it would be right"};
  }

  void open(Position position, YAML::anchor_t anchor, NodeKind kind) {
    check_depth(position, 1);
    Open frame{position, anchor, {}, std::nullopt};
    frame.content.kind = kind;
    open_.push_back(std::move(frame));
  }

  void close() {
    Open frame = std::move(open_.back());
    open_.pop_back();
    add(frame.position, frame.anchor, std::move(frame.content));
  }

  void check_depth(Position position, std::size_t levels) const {
    if (open_.size() + levels > kMaxDepth) {
      throw Rejected{position, "lists and maps nest too deeply; at most " +
                                   std::to_string(kMaxDepth) + " levels would be right"};
    }
  }

  void add(Position position, YAML::anchor_t anchor, Content content) {
    auto shared = std::make_shared<const Content>(std::move(content));
    if (anchor != YAML::NullAnchor) anchors_[anchor] = shared;
    add(Node{position, std::move(shared)});
  }

  void add(Node node) {
    check_depth(node.position, node.content->height);
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.content.kind == NodeKind::kMap && !parent.key) {
      parent.key = read_key(parent, node);
      return;
    }
    parent.content.nodes += node.content->nodes;
    parent.content.height = std::max(parent.content.height, node.content->height + 1);
    if (parent.content.nodes > kMaxNodes) {
      throw Rejected{node.position,
                     "too many values, counting each alias as what it stands for; "
                     "at most " +
                         std::to_string(kMaxNodes) + " would be right"};
    }
    if (parent.key) {
      parent.key->value = std::move(node);
      parent.content.entries.push_back(*std::exchange(parent.key, std::nullopt));
    } else {
      parent.content.items.push_back(std::move(node));
    }
  }

  static Entry read_key(Open& parent, const Node& node) {
    if (node.content->kind != NodeKind::kScalar) {
      throw Rejected{node.position, "a key here is not text; 'key: value' would be right"};
    }
    const std::string& name = node.content->text;
    if (const std::optional<Position> first = place_of_key(parent, name)) {
      throw Rejected{node.position, "duplicate key " + quote(name) + ", first at line " +
                                        std::to_string(first->line) +
                                        "; each key once would be right"};
    }
    return Entry{name, node.position, {}};
  }

  // A search is faster than an index for the few keys of any real map.
  static std::optional<Position> place_of_key(Open& map, const std::string& name) {
    constexpr std::size_t kFew = 16;
    const std::vector<Entry>& entries = map.content.entries;
    if (entries.size() <= kFew) {
      const Entry* const entry = find_entry(map.content, name);
      return entry != nullptr ? std::optional(entry->position) : std::nullopt;
    }
    if (map.keys.empty()) {
      for (const Entry& entry : entries) map.keys.emplace(entry.key, entry.position);
    }
    map.keys.emplace(entries.back().key, entries.back().position);
    const auto found = map.keys.find(name);
    return found != map.keys.end() ? std::optional(found->second) : std::nullopt;
  }

  std::vector<Open> open_;                                            // from the root inwards
  std::map<YAML::anchor_t, std::shared_ptr<const Content>> anchors_;  // of complete nodes
  std::optional<Node> root_;
};

// The library says what it stumbled over; this says what usually led there.
struct Hint {
  std::string_view library_message;  // or how it begins: some go on with the text at fault
  std::string_view message;
};
const Hint kHints[] = {
    {YAML::ErrorMsg::TAB_IN_INDENTATION, "a tab in the indentation; spaces would be right"},
    {YAML::ErrorMsg::EOF_IN_SCALAR, "the file ends inside quoted text; a closing quote is missing"},
    {YAML::ErrorMsg::INVALID_ESCAPE,
     "an unknown escape in double quotes; single quotes around text with '\\' in it would be "
     "right"},
    {YAML::ErrorMsg::UNKNOWN_ANCHOR,
     "an alias without its anchor; '&name' before this line would be right, or quotes around text "
     "that begins with '*'"},
    {YAML::ErrorMsg::UNKNOWN_TOKEN,
     "a character that cannot begin a value; quotes around the value would be right"},
    {YAML::ErrorMsg::MAP_VALUE,
     "a ':' where no value can begin; one 'key: value' per line, or "
     "quotes around text with ': ' in it, would be right"},
    {YAML::ErrorMsg::BLOCK_ENTRY,
     "a '- ' where no list item can begin; list items below their key, indented with spaces, would "
     "be right"},
    {YAML::ErrorMsg::END_OF_MAP,
     "not a 'key: value' of the map above; the same indentation as its other keys, and quotes "
     "around text with '[', '{' or ':' in it, would be right"},
    {YAML::ErrorMsg::END_OF_SEQ,
     "not a '- ' item of the list above; the same indentation as its other items, and quotes "
     "around text with '[', '{' or ':' in it, would be right"},
};

tl::unexpected<Error> explain(const YAML::Exception& error, const Builder& builder,
                              const std::string& file) {
  const auto open = builder.innermost_open();
  if (open && (error.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW ||
               error.msg == YAML::ErrorMsg::END_OF_MAP_FLOW)) {
    const std::string bracket = open->second == NodeKind::kMap ? "'}'" : "']'";
    return fail_at(file, open->first,
                   "what begins here is not closed by line " + std::to_string(error.mark.line + 1) +
                       "; " + bracket + " or ',' there, or quotes around text with brackets in " +
                       "it, would be right");
  }
  const auto* hint = std::find_if(std::begin(kHints), std::end(kHints), [&](const Hint& candidate) {
    return error.msg.starts_with(candidate.library_message);
  });
  return fail_at(file, position_of(error.mark),
                 hint != std::end(kHints)
                     ? std::string(hint->message)
                     : "not valid YAML (" + error.msg + "); 'key: value' lines would be right");
}

// Where the first of `text` beyond kMaxBrackets stands, if there are so many.
std::optional<Position> bracket_too_many(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '[' && c != ']' && c != '{' && c != '}' && c != ',') continue;
    if (++count <= kMaxBrackets) continue;
    const std::string_view before = text.substr(0, at);
    const auto lines = std::count(before.begin(), before.end(), '\n');
    return Position{static_cast<int>(lines) + 1, static_cast<int>(at - before.rfind('\n'))};
  }
  return std::nullopt;
}

}  // namespace

const Entry* find_entry(const Content& map, std::string_view key) {
  const auto entry = std::find_if(map.entries.begin(), map.entries.end(),
                                  [&](const Entry& candidate) { return candidate.key == key; });
  return entry != map.entries.end() ? &*entry : nullptr;
}

Result<Node> parse_document(std::string_view text, const std::string& file) {
  if (const std::optional<Position> place = bracket_too_many(text)) {
    return fail_at(file, *place,
                   "too many brackets and commas; at most " + std::to_string(kMaxBrackets) +
                       " would be right, or lists of '- ' items below each other");
  }
  // The library takes quoted text that the file's end cut off for whole if a line break follows.
  const std::string_view trimmed = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  std::istringstream stream{std::string(trimmed)};
  Builder builder;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Rejected& rejected) {
    return fail_at(file, rejected.position, rejected.message);
  } catch (const YAML::Exception& error) {
    return explain(error, builder, file);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, file + ": cannot be parsed: " + error.what());
  }
  if (const std::optional<Node> root = builder.root()) return *root;
  return Node{{1, 1}, std::make_shared<const Content>()};
}

}  // namespace headgate::config
