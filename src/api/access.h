// What a route asks of who calls it.
#pragma once

#include <string_view>

#include "http/message.h"
#include "identity/action.h"

namespace drover::api {

struct Access {
  enum class Who {
    kOpen,                    // anybody
    kSignedIn,                // anybody who is known, with a project or without one
    kProject,                 // who may do `action` in his project, whatever the instances
    kProjectByInstance,       // the same, also if it depends on the instances: the handler judges each
    kAdministrator,           // administrators of the node
    kProjectOrAdministrator,  // these, for all projects; others as kProject, for theirs
  };

  Who who = Who::kAdministrator;
  identity::Action action{};  // for kProject and kProjectByInstance
  std::string_view name;      // what the audit log calls it; a literal

  // Requests that change something are entered whatever becomes of them, the others when they are refused.
  bool is_change(http::Method method) const {
    if (who == Who::kOpen && name.empty()) return false;
    const bool has_action = who != Who::kOpen && who != Who::kSignedIn && who != Who::kAdministrator;
    return method != http::Method::kGet && !(has_action && identity::is_query(action));
  }

  bool operator==(const Access&) const = default;
};

// `name`: for requests that are entered although nobody has to be known, as logins are.
inline Access open(std::string_view name = {}) { return {Access::Who::kOpen, {}, name}; }
inline Access signed_in(std::string_view name) { return {Access::Who::kSignedIn, {}, name}; }
inline Access administrator(std::string_view name) { return {Access::Who::kAdministrator, {}, name}; }
// About instances that the request does not name one by one: 403 for who may do it on some instances only.
inline Access may(identity::Action action) {
  return {Access::Who::kProject, action, identity::name_of(action)};
}
// The handler asks by_instance.h what Caller::depends() says is open.
inline Access may_by_instance(identity::Action action) {
  return {Access::Who::kProjectByInstance, action, identity::name_of(action)};
}

inline Access may_or_administrator(identity::Action action) {
  return {Access::Who::kProjectOrAdministrator, action, identity::name_of(action)};
}

}  // namespace drover::api
