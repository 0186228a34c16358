// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/reply/conversation.h"

namespace headgate::reply {

using MakeConversation = std::function<std::unique_ptr<Conversation>()>;

// What came of a conversation: all that was sent, and how it stood at the end.
struct Outcome {
  std::string sent;
  Step::Next next = Step::Next::kRead;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Gives the pieces one after the other, until an answer comes.
inline Outcome hear(Conversation& conversation, const std::vector<std::string_view>& pieces) {
  Outcome outcome;
  for (const std::string_view piece : pieces) {
    if (piece.empty() || outcome.next != Step::Next::kRead) continue;
    Step step = conversation.received(piece);
    outcome.sent += step.send;
    outcome.next = step.next;
  }
  return outcome;
}

inline Outcome hear(Conversation& conversation, std::string_view input) {
  return hear(conversation, std::vector{input});
}

// The outcomes for `input` in one piece, in every two pieces, in every three where it is short, and
// byte by byte. The first is that of the whole.
inline std::vector<Outcome> hear_every_split(const MakeConversation& make, std::string_view input) {
  std::vector<Outcome> outcomes;
  const auto add = [&](const std::vector<std::string_view>& pieces) {
    outcomes.push_back(hear(*make(), pieces));
  };
  add({input});
  for (std::size_t i = 1; i < input.size(); ++i) {
    add({input.substr(0, i), input.substr(i)});
    if (input.size() > 200) continue;
    for (std::size_t j = i + 1; j < input.size(); ++j) {
      add({input.substr(0, i), input.substr(i, j - i), input.substr(j)});
    }
  }
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
  add(bytes);
  return outcomes;
}

}  // namespace headgate::reply
