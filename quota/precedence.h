// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

// Which quota holds for a client of a service, of those of users, clients and both together, and
// in which bucket it is counted. The rules are those of Kafka (KIP-55, KIP-124;
// DefaultQuotaCallback in ClientQuotaManager there).
namespace headgate::quota {

// What a quota says of the user, or of the client.
enum class Party : std::uint8_t {
  kAny,      // not named: the quota is shared by all of them
  kDefault,  // each one that has none of its own
  kNamed,
};

// Whom a quota is for.
struct Subject {
  Party user = Party::kAny;
  Party client = Party::kAny;

  friend bool operator==(const Subject&, const Subject&) = default;
};

// The first that exists holds.
inline constexpr std::array<Subject, 8> kPrecedence = {{
    {Party::kNamed, Party::kNamed},
    {Party::kNamed, Party::kDefault},
    {Party::kNamed, Party::kAny},
    {Party::kDefault, Party::kNamed},
    {Party::kDefault, Party::kDefault},
    {Party::kDefault, Party::kAny},
    {Party::kAny, Party::kNamed},
    {Party::kAny, Party::kDefault},
}};

// Who sends a request. Without a user (or a client) no quota that says anything of users (or
// clients) holds.
struct Requester {
  std::optional<std::string_view> user;
  std::optional<std::string_view> client;

  friend bool operator==(const Requester&, const Requester&) = default;
};

// Does the quota hold for somebody like this, if it exists?
constexpr bool may_hold(Subject subject, const Requester& requester) {
  return (subject.user == Party::kAny || requester.user) &&
         (subject.client == Party::kAny || requester.client);
}

// Whose use is counted together under that quota: a default gives every actual user or client a
// bucket of its own; a quota that does not name the client is shared by all clients of a user, and
// one that does not name the user by all users of a client.
constexpr Requester bucket_of(Subject subject, const Requester& requester) {
  return {subject.user == Party::kAny ? std::nullopt : requester.user,
          subject.client == Party::kAny ? std::nullopt : requester.client};
}

// Quotas of one kind (of time, of bytes, of connections): one kind must not hide another, for a
// user may have a quota of bytes, and its clients have one of time.
//
// Thread safety: any number of threads may look up; none while another one inserts.
template <class Quota>
class Quotas {
 public:
  struct Match {
    const Quota& quota;
    Requester bucket;  // views into what was asked with
  };

  // `user` and `client` are names where `subject` names them, and ignored elsewhere. False: there
  // is one for the same already, which stays; or `subject` is nobody.
  bool insert(Subject subject, std::string_view user, std::string_view client, Quota quota) {
    if (subject == Subject{}) return false;
    const auto key = key_of(subject, user, client);
    if (quotas_.find(key) != quotas_.end()) return false;
    quotas_.emplace(Key(subject.user, subject.client, std::get<2>(key), std::get<3>(key)),
                    std::move(quota));
    return true;
  }

  std::optional<Match> find(const Requester& requester) const {
    if (quotas_.empty()) return std::nullopt;
    for (const Subject subject : kPrecedence) {
      if (!may_hold(subject, requester)) continue;
      const auto found =
          quotas_.find(key_of(subject, requester.user.value_or(""), requester.client.value_or("")));
      if (found != quotas_.end()) return Match{found->second, bucket_of(subject, requester)};
    }
    return std::nullopt;
  }

  bool empty() const { return quotas_.empty(); }

 private:
  using Key = std::tuple<Party, Party, std::string, std::string>;
  using KeyView = std::tuple<Party, Party, std::string_view, std::string_view>;

  static KeyView key_of(Subject subject, std::string_view user, std::string_view client) {
    return {subject.user, subject.client, subject.user == Party::kNamed ? user : "",
            subject.client == Party::kNamed ? client : ""};
  }

  std::map<Key, Quota, std::less<>> quotas_;
};

}  // namespace headgate::quota
