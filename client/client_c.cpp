// SPDX-License-Identifier: Apache-2.0
#include "headgate/client_c.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "common/utf8.h"
#include "headgate/client.h"

struct headgate_client {
  headgate::client::Client client;
};

struct headgate_key {
  headgate::client::Key key;
};

namespace {

namespace hg = headgate::client;

constexpr std::size_t kMostEntries = 32;

static_assert(HEADGATE_FAIL_OPEN == static_cast<int>(hg::FailPolicy::kOpen));
static_assert(HEADGATE_FAIL_CLOSED == static_cast<int>(hg::FailPolicy::kClosed));
static_assert(HEADGATE_WITHIN_LIMIT == static_cast<int>(hg::Reason::kWithinLimit));
static_assert(HEADGATE_NO_RULE == static_cast<int>(hg::Reason::kNoRule));
static_assert(HEADGATE_UNLIMITED == static_cast<int>(hg::Reason::kUnlimited));
static_assert(HEADGATE_NOT_ENFORCED == static_cast<int>(hg::Reason::kNotEnforced));
static_assert(HEADGATE_LIMIT_REACHED == static_cast<int>(hg::Reason::kLimitReached));
static_assert(HEADGATE_LARGER_THAN_LIMIT == static_cast<int>(hg::Reason::kLargerThanLimit));
static_assert(HEADGATE_NO_PERMIT_LEFT == static_cast<int>(hg::Reason::kNoPermitLeft));
static_assert(HEADGATE_NOT_ATTACHED == static_cast<int>(hg::Reason::kNotAttached));

// A permit in the caller's memory: an Admission, if the first word is not 0.
struct Place {
  std::uint64_t is_held;
  alignas(hg::Admission) std::array<std::byte, sizeof(hg::Admission)> admission;
};
static_assert(sizeof(Place) <= sizeof(headgate_permit), "the ABI would change");
static_assert(alignof(Place) <= alignof(headgate_permit));

void put(headgate_permit& permit, hg::Admission&& admission) noexcept {
  std::memset(&permit, 0, sizeof permit);
  if (!admission.holds_permit()) return;
  auto* const place = new (&permit) Place;
  place->is_held = 1;
  new (&place->admission) hg::Admission(std::move(admission));
}

// Empty, if the permit holds none; the permit holds none from then on.
hg::Admission take(headgate_permit* permit) noexcept {
  hg::Admission taken;
  if (permit == nullptr) return taken;
  auto* const place = std::launder(reinterpret_cast<Place*>(permit));
  if (place->is_held == 0) return taken;
  auto* const held = std::launder(reinterpret_cast<hg::Admission*>(&place->admission));
  taken = std::move(*held);
  held->~Admission();
  std::memset(permit, 0, sizeof *permit);
  return taken;
}

void write(std::string_view text, char* into, std::size_t size) noexcept {
  if (into == nullptr || size == 0) return;
  std::size_t length = 0;  // of whole characters
  while (length < text.size()) {
    const std::size_t next = std::max<std::size_t>(headgate::utf8_length(text.substr(length)), 1);
    if (length + next > size - 1) break;
    length += next;
  }
  std::memcpy(into, text.data(), length);
  into[length] = '\0';
}

// Those that the caller was compiled with; what it does not know is 0.
headgate_options known_options(const headgate_options* given) {
  constexpr std::size_t kFirstVersion = offsetof(headgate_options, patience_ms) + sizeof(int64_t);
  if (given == nullptr) throw std::invalid_argument("no options");
  const std::size_t size = given->size;
  if (size < kFirstVersion) {
    throw std::invalid_argument("'size' of the options is " + std::to_string(size) +
                                "; sizeof(headgate_options) would be right");
  }
  headgate_options options{};
  std::memcpy(&options, given, std::min(size, sizeof options));
  const std::string_view all(reinterpret_cast<const char*>(given), size);
  if (all.find_first_not_of('\0', std::min(size, sizeof options)) != all.npos) {
    throw std::invalid_argument(
        "the options say something that this version of libheadgate-client does not know; a newer "
        "one would be right");
  }
  return options;
}

hg::Options options_of(const headgate_options* given) {
  const headgate_options options = known_options(given);
  if (options.domain == nullptr || !headgate::is_utf8(options.domain)) {
    throw std::invalid_argument(
        "'domain' is NULL or not UTF-8; the name of a domain of `quotas` "
        "would be right");
  }
  if (options.fail_policy != HEADGATE_FAIL_OPEN && options.fail_policy != HEADGATE_FAIL_CLOSED) {
    throw std::invalid_argument(std::to_string(options.fail_policy) +
                                " is no fail policy; HEADGATE_FAIL_OPEN or HEADGATE_FAIL_CLOSED "
                                "would be right");
  }
  hg::Options made;
  made.domain = options.domain;
  if (options.socket != nullptr) made.socket = options.socket;
  made.fail_policy = static_cast<hg::FailPolicy>(options.fail_policy);
  if (options.max_permits != 0) made.max_permits = options.max_permits;
  if (options.patience_ms != 0) {
    made.patience = std::chrono::milliseconds(std::max<std::int64_t>(options.patience_ms, 0));
  }
  return made;
}

// A name of a user or client; NULL is as empty.
bool is_name(const char*& text) {
  if (text == nullptr) text = "";
  return headgate::is_utf8(text);
}

bool are_names(const char*& user, const char*& name) {
  return is_name(user) && is_name(name) && (*user != '\0' || *name != '\0');
}

}  // namespace

headgate_client* headgate_client_open(const headgate_options* options, char* error,
                                      size_t error_size) {
  try {
    write("", error, error_size);
    return new headgate_client{hg::Client(options_of(options))};
  } catch (const std::exception& failure) {
    write(failure.what(), error, error_size);
  } catch (...) {
    write("unknown error", error, error_size);
  }
  return nullptr;
}

void headgate_client_close(headgate_client* client) {
  delete client;
}

headgate_status headgate_client_status(const headgate_client* client) try {
  if (client == nullptr) return {};
  const hg::Status status = client->client.status();
  return {status.is_attached, status.has_rules, status.attached};
} catch (...) {  // no memory
  return {};
}

void headgate_client_problem(const headgate_client* client, char* text, size_t size) try {
  write(client == nullptr ? "no client" : client->client.status().problem, text, size);
} catch (...) {
  write("no memory", text, size);
}

headgate_key* headgate_key_new(const headgate_client* client, const headgate_entry* entries,
                               size_t count) try {
  if (client == nullptr || entries == nullptr || count == 0 || count > kMostEntries) return nullptr;
  std::array<hg::Entry, kMostEntries> made;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [key, value] = entries[i];
    if (key == nullptr || value == nullptr) return nullptr;
    if (!headgate::is_utf8(key) || !headgate::is_utf8(value)) return nullptr;
    made[i] = {key, value};
  }
  return new headgate_key{client->client.key(std::span<const hg::Entry>(made.data(), count))};
} catch (...) {
  return nullptr;
}

void headgate_key_free(headgate_key* key) {
  delete key;
}

headgate_decision headgate_try_acquire(headgate_client* client, headgate_key* key, uint64_t cost,
                                       headgate_permit* permit) {
  if (permit != nullptr) std::memset(permit, 0, sizeof *permit);
  if (client == nullptr || key == nullptr) {
    return {.is_admitted = false,
            .holds_permit = false,
            .reason = HEADGATE_INVALID,
            .remaining = 0,
            .retry_after_ns = -1};
  }
  hg::Admission admission = client->client.try_acquire(key->key, cost);
  const hg::Decision& decision = admission.decision();
  const headgate_decision answer{
      .is_admitted = decision.is_admitted,
      .holds_permit = permit != nullptr && admission.holds_permit(),
      .reason = static_cast<int>(decision.reason),
      .remaining = decision.remaining,
      .retry_after_ns = decision.retry_after ? decision.retry_after->count() : -1};
  if (permit != nullptr) put(*permit, std::move(admission));
  return answer;
}

void headgate_permit_end(headgate_permit* permit, int64_t latency_ns, bool has_failed) try {
  hg::Outcome outcome{.has_failed = has_failed};
  if (latency_ns >= 0) outcome.latency = std::chrono::nanoseconds(latency_ns);
  take(permit).end(outcome);
} catch (...) {  // no memory: the permit is back, and nothing is learnt
}

void headgate_permit_drop(headgate_permit* permit) {
  static_cast<void>(take(permit));
}

void headgate_add_time(headgate_client* client, const char* user, const char* name,
                       int64_t used_ns) try {
  if (client == nullptr || !are_names(user, name)) return;
  client->client.add_time(user, name, std::chrono::nanoseconds(std::max<std::int64_t>(used_ns, 0)));
} catch (...) {  // no memory: this time is not told
}

int64_t headgate_throttle_ns(const headgate_client* client, const char* user,
                             const char* name) try {
  if (client == nullptr || !are_names(user, name)) return 0;
  return client->client.throttle(user, name).count();
} catch (...) {
  return 0;
}

const char* headgate_reason_text(int reason) {
  if (reason == HEADGATE_INVALID) return "an argument makes no sense";
  if (reason < HEADGATE_WITHIN_LIMIT || reason > HEADGATE_INVALID) return "unknown";
  return hg::to_text(static_cast<hg::Reason>(reason));
}
