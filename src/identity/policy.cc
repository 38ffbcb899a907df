#include "identity/policy.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "identity/errc.h"

namespace drover::identity {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostEntries = 100;  // statements, actions or resources of one list

Failure bad(std::string_view why) { return failure(Errc::kBadPolicy, why); }

// A string, or a list of strings.
Result<std::vector<std::string_view>> texts(const json::object& statement, std::string_view member,
                                            const std::string& where) {
  std::vector<std::string_view> out;
  const json::value* value = statement.if_contains(member);
  if (value == nullptr) return out;
  const auto refuse = [&] {
    return bad(where + "." + std::string(member) + " must be a list of 1 to 100 strings");
  };
  if (const json::string* one = value->if_string()) {
    out.emplace_back(*one);
    return out;
  }
  const json::array* list = value->if_array();
  if (list == nullptr || list->empty() || list->size() > kMostEntries) return refuse();
  for (const json::value& entry : *list) {
    const json::string* text = entry.if_string();
    if (text == nullptr) return refuse();
    out.emplace_back(*text);
  }
  return out;
}

Result<std::bitset<kActions>> actions_of(std::string_view pattern, const std::string& where) {
  std::bitset<kActions> actions;
  for (std::size_t i = 0; i < kActions; ++i) {
    if (glob_match(pattern, name_of(static_cast<Action>(i)))) actions.set(i);
  }
  if (actions.none())
    return bad(where + ".Action: there is no action \"" + std::string(pattern.substr(0, 100)) + "\"");
  return actions;
}

Result<Statement::Pattern> pattern_of(std::string_view text, const std::string& where) {
  constexpr std::string_view kInstance = "instance:";
  constexpr std::string_view kLabel = "label:";
  if (text.starts_with(kInstance) && text.size() > kInstance.size()) {
    return Statement::Pattern{{}, std::string(text.substr(kInstance.size()))};
  }
  if (text.starts_with(kLabel)) {
    const std::string_view label = text.substr(kLabel.size());
    const std::size_t equals = label.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      return Statement::Pattern{std::string(label.substr(0, equals)), std::string(label.substr(equals + 1))};
    }
  }
  return bad(where + ".Resource: \"" + std::string(text.substr(0, 100)) +
             "\" must be \"*\", \"instance:ID\" or \"label:KEY=VALUE\"");
}

Result<Statement> parse_statement(const json::value& value, const std::string& where) {
  const json::object* object = value.if_object();
  if (object == nullptr) return bad(where + " must be an object");
  for (const auto& [member, ignored] : *object) {
    if (member != "Effect" && member != "Action" && member != "Resource") {
      return bad(where + "." + std::string(member).substr(0, 64) +
                 " is unknown: only Effect, Action and Resource are");
    }
  }
  Statement statement;
  const json::value* effect = object->if_contains("Effect");
  if (effect == nullptr || (*effect != "Allow" && *effect != "Deny")) {
    return bad(where + ".Effect must be \"Allow\" or \"Deny\"");
  }
  statement.allow = *effect == "Allow";

  const auto actions = texts(*object, "Action", where);
  if (!actions) return Failure(actions.error());
  if (actions->empty()) return bad(where + ".Action is missing");
  for (const std::string_view pattern : *actions) {
    const auto found = actions_of(pattern, where);
    if (!found) return Failure(found.error());
    statement.actions |= *found;
  }

  const auto resources = texts(*object, "Resource", where);
  if (!resources) return Failure(resources.error());
  if (std::ranges::find(*resources, "*") != resources->end()) return statement;
  for (const std::string_view text : *resources) {
    auto pattern = pattern_of(text, where);
    if (!pattern) return Failure(pattern.error());
    statement.resources.push_back(*std::move(pattern));
  }
  return statement;
}

Policy make_role(std::string name, bool queries_only) {
  Statement statement;
  statement.allow = true;
  for (std::size_t i = 0; i < kActions; ++i) {
    if (!queries_only || is_query(static_cast<Action>(i))) statement.actions.set(i);
  }
  return {std::move(name), {std::move(statement)}};
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t from = 0;
  std::size_t star = std::string_view::npos;  // the last one met, and where the text stood
  std::size_t after_star = 0;
  while (from < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after_star = from;
    } else if (at < pattern.size() && pattern[at] == text[from]) {
      ++at;
      ++from;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      from = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool Statement::covers(const Resource& resource) const {
  if (resources.empty()) return true;
  return std::ranges::any_of(resources, [&](const Pattern& pattern) {
    if (pattern.label.empty()) return glob_match(pattern.glob, resource.id);
    const auto label = resource.labels.find(pattern.label);
    return label != resource.labels.end() && glob_match(pattern.glob, label->second);
  });
}

Result<Policy> parse_policy(std::string name, std::string_view text) {
  if (text.size() > kLongestPolicy) return bad("a policy has at most 16,384 bytes");
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value value = json::parse(text, error, {}, options);
  if (error) return bad("it is no JSON");
  const json::object* object = value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("Statement");
  const json::array* statements = list == nullptr ? nullptr : list->if_array();
  if (statements == nullptr || statements->empty() || statements->size() > kMostEntries) {
    return bad("Statement must be a list of 1 to 100 objects");
  }
  Policy policy{std::move(name), {}};
  for (std::size_t i = 0; i < statements->size(); ++i) {
    auto statement = parse_statement((*statements)[i], "Statement[" + std::to_string(i) + "]");
    if (!statement) return Failure(std::move(statement.error()));
    policy.statements.push_back(*std::move(statement));
  }
  return policy;
}

const Policy& administrator() {
  static const Policy role = make_role("KooPhone Administrator", false);
  return role;
}

const Policy& read_only_user() {
  static const Policy role = make_role("KooPhone ReadOnlyUser", true);
  return role;
}

Permissions::Permissions(std::vector<std::shared_ptr<const Policy>> policies)
    : policies_(std::move(policies)) {
  for (std::size_t i = 0; i < kActions; ++i) verdicts_[i] = judge(i);
}

Permissions::Verdict Permissions::judge(std::size_t action) const {
  bool allowed = false;
  bool depends = false;
  for (const auto& policy : policies_) {
    for (const Statement& statement : policy->statements) {
      if (!statement.actions.test(action)) continue;
      if (!statement.resources.empty()) {
        depends = true;
      } else if (!statement.allow) {
        return Verdict::kDenied;
      } else {
        allowed = true;
      }
    }
  }
  if (depends) return Verdict::kByInstance;
  return allowed ? Verdict::kAllowed : Verdict::kDenied;
}

bool Permissions::allows(Action action, const Resource& resource) const {
  const Verdict known = verdict(action);
  if (known != Verdict::kByInstance) return known == Verdict::kAllowed;
  bool allowed = false;
  for (const auto& policy : policies_) {
    for (const Statement& statement : policy->statements) {
      if (!statement.actions.test(static_cast<std::size_t>(action)) || !statement.covers(resource)) continue;
      if (!statement.allow) return false;
      allowed = true;
    }
  }
  return allowed;
}

Permissions::Decision Permissions::decide(Action action, const Resource& resource) const {
  Decision decision{false, "no statement allows it"};
  for (const auto& policy : policies_) {
    for (std::size_t i = 0; i < policy->statements.size(); ++i) {
      const Statement& statement = policy->statements[i];
      if (!statement.actions.test(static_cast<std::size_t>(action)) || !statement.covers(resource)) continue;
      const std::string which = "statement " + std::to_string(i + 1) + " of policy \"" + policy->name + "\"";
      if (!statement.allow) return {false, which + " denies it"};
      if (!decision.allowed) decision = {true, which + " allows it"};
    }
  }
  return decision;
}

}  // namespace drover::identity
