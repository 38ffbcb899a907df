// Who calls, as handlers see him.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "identity/principal.h"

namespace drover::api {

// The request's entry in the audit log, as far as it is known before the answer. Handlers add to it until
// they answer. Never a secret, a command or output.
struct AuditNote {
  std::string_view action;             // the route's name
  std::int64_t project = 0;            // whose log it is in; 0: the node's own
  std::string actor;                   // who says he is asking, where nobody is known yet (a login)
  std::string subject;                 // the task, user, project ... that it is done to
  std::vector<std::string> instances;  // those it is done to
  bool stored = false;                 // the entry is in the commit of what was done
};

struct Caller {
  static constexpr std::size_t kLongestSubject = 128;  // bytes

  identity::PrincipalPtr who;       // never null; for open routes somebody who may do nothing
  std::shared_ptr<AuditNote> note;  // never null where the request is a change or has a subject of its own

  std::int64_t project() const { return who->project; }
  // What the request is about, for the audit log.
  void name_subject(std::string_view subject) const {
    if (note != nullptr) note->subject = to_utf8(subject, kLongestSubject);
  }
  // Whether it depends on the instance what he may do: never so for almost everybody.
  bool depends(identity::Action action) const {
    return who->permissions.verdict(action) == identity::Permissions::Verdict::kByInstance;
  }
};

}  // namespace drover::api
