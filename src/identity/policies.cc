// Policies: roles of one's own making.
#include <utility>

#include "identity/state.h"

namespace drover::identity {

void Identity::put_policy(std::string name, std::string text, Done<> done) {
  if (!is_name(name)) return done(failure(Errc::kBadName));
  Result<Policy> parsed = parse_policy(name, text);
  if (!parsed) return done(Failure(std::move(parsed.error())));
  const auto rules = std::make_shared<const Policy>(*std::move(parsed));
  store::Policy row{std::move(name), std::move(text), state_->clock.unix_ms()};
  state_->change<void>(
      [row = std::move(row), rules](const Directory&) -> Result<State::Change<void>> {
        return State::Change<void>{store::change::PutPolicy{row}, [row, rules](Directory& to) -> Result<> {
                                     to.put(row, rules);
                                     return {};
                                   }};
      },
      std::move(done));
}

void Identity::remove_policy(std::string name, Done<> done) {
  state_->change<void>(
      [name = std::move(name)](const Directory& all) -> Result<State::Change<void>> {
        if (!all.policies().contains(name)) return not_found("policy", name);
        if (const std::string holder = all.holder_of(name); !holder.empty()) {
          return failure(Errc::kInUse, holder + " has it");
        }
        return State::Change<void>{store::change::RemovePolicy{name}, [name](Directory& from) -> Result<> {
                                     from.remove_policy(name);
                                     return {};
                                   }};
      },
      std::move(done));
}

std::vector<store::Policy> Identity::policies() const {
  return state_->read([](const Directory& all) {
    std::vector<store::Policy> out;
    for (const auto& [name, policy] : all.policies()) out.push_back(policy.row);
    return out;
  });
}

std::optional<store::Policy> Identity::policy(std::string_view name) const {
  return state_->read([&](const Directory& all) -> std::optional<store::Policy> {
    const auto it = all.policies().find(name);
    if (it == all.policies().end()) return std::nullopt;
    return it->second.row;
  });
}

Result<Permissions> Identity::permissions(std::string_view user, std::string_view project) const {
  return state_->read([&](const Directory& all) -> Result<Permissions> {
    const Directory::User* const who = all.user(user);
    if (who == nullptr) return not_found("user", user);
    const Directory::Project* const in = all.project(project);
    if (in == nullptr) return not_found("project", project);
    return all.permissions(all.roles(*who, in->row.seq));
  });
}

Result<Permissions> Identity::permissions_of_policy(std::string_view policy) const {
  return state_->read([&](const Directory& all) -> Result<Permissions> {
    const auto rules = all.rules(policy);
    if (rules == nullptr) return not_found("policy", policy);
    return Permissions({rules});
  });
}

}  // namespace drover::identity
