// Policies: which actions are allowed or denied, on which instances.
//
//   {"Version": "1.1",
//    "Statement": [
//      {"Effect": "Allow", "Action": ["koophone:cloudphoneResource:*"], "Resource": ["label:team=blue"]},
//      {"Effect": "Deny",  "Action": ["*"],                             "Resource": ["instance:prod-*"]}]}
//
// What no statement allows is denied, and a statement that denies wins over all that allow. `*` in an action
// or a resource stands for any characters. A resource is "*", "instance:ID" or "label:KEY=VALUE"; without
// "Resource" a statement is for all instances.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/action.h"

namespace drover::identity {

using Labels = std::map<std::string, std::string, std::less<>>;

// An instance as policies see it.
struct Resource {
  std::string_view id;
  const Labels& labels;
};

struct Statement {
  struct Pattern {
    std::string label;  // the label's key; empty: the pattern is for ids
    std::string glob;
  };

  bool allow = false;
  std::bitset<kActions> actions;
  std::vector<Pattern> resources;  // empty: all instances

  bool covers(const Resource& resource) const;
};

struct Policy {
  std::string name;
  std::vector<Statement> statements;
};

inline constexpr std::size_t kLongestPolicy = std::size_t{16} << 10;  // bytes

// kBadPolicy says where it is wrong. Actions that no one knows are refused: they are typing errors.
Result<Policy> parse_policy(std::string name, std::string_view json);

// The two roles that are there from the start: "KooPhone Administrator" and "KooPhone ReadOnlyUser".
const Policy& administrator();
const Policy& read_only_user();

// All that somebody holds in a project. Immutable, so any thread.
class Permissions {
 public:
  enum class Verdict { kDenied, kAllowed, kByInstance };

  Permissions() = default;  // nothing is allowed
  explicit Permissions(std::vector<std::shared_ptr<const Policy>> policies);

  // Whatever the instances; kByInstance: it depends on them.
  Verdict verdict(Action action) const { return verdicts_[static_cast<std::size_t>(action)]; }
  bool allows(Action action, const Resource& resource) const;

  // The same, with the statement that decided, for people.
  struct Decision {
    bool allowed = false;
    std::string why;  // `statement 2 of policy "blue" denies it`
  };
  Decision decide(Action action, const Resource& resource) const;

 private:
  Verdict judge(std::size_t action) const;

  std::vector<std::shared_ptr<const Policy>> policies_;
  std::array<Verdict, kActions> verdicts_{};
};

// `*` stands for any characters, also none. Linear in the product of the lengths at most.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace drover::identity
