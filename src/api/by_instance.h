// Judging instance by instance, for those few whose roles are about some instances only. For all others
// nothing of this runs: their verdict is known before.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/answer.h"
#include "api/caller.h"
#include "api/services.h"
#include "fleet/fleet.h"
#include "http/message.h"

namespace drover::api {

using WithIds = std::function<void(std::vector<std::string>)>;
using WithInstances = std::function<void(std::vector<store::Instance>)>;

// Whatever caller.depends(action) says. Labels are asked of the fleet in steps, and judged on services.loop,
// where `then` runs; a refusal is answered with 403.
void judge_ids(Services& services, const Caller& caller, identity::Action action,
               std::vector<std::string> ids, const http::Responder& respond, WithIds then);
void judge_put(Services& services, const Caller& caller, std::vector<store::Instance> instances,
               const http::Responder& respond, WithInstances then);

// Calls `then(ids)` if the caller may do `action` on every one of them: at once, unless it depends. An id
// that the project does not have is judged as an instance without labels.
template <typename Then>
void if_allowed(Services& services, const Caller& caller, identity::Action action,
                std::vector<std::string> ids, const http::Responder& respond, Then&& then) {
  if (!caller.depends(action)) return then(std::move(ids));
  judge_ids(services, caller, action, std::move(ids), respond, std::forward<Then>(then));
}

// The same for instances that are to be put: as they are, if they are there, and as they will be.
template <typename Then>
void if_put_allowed(Services& services, const Caller& caller, std::vector<store::Instance> instances,
                    const http::Responder& respond, Then&& then) {
  if (!caller.depends(identity::Action::kPutInstance)) return then(std::move(instances));
  judge_put(services, caller, std::move(instances), respond, std::forward<Then>(then));
}

// Leaves out of a list what the caller may not do `action` on.
void leave_out_denied(const Caller& caller, identity::Action action, std::vector<fleet::PhoneView>& phones);

// Takes the labels of some ids and says which of these are denied: 403 names the first and how many.
class Judge {
 public:
  Judge(const identity::Permissions& permissions, identity::Action action)
      : permissions_(permissions), action_(action) {}

  void add(std::string_view id, const store::Labels& labels);
  Checked<> verdict() const;

 private:
  const identity::Permissions& permissions_;
  const identity::Action action_;
  std::string first_;
  std::size_t denied_ = 0;
};

}  // namespace drover::api
