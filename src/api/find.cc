#include "api/find.h"

#include <utility>

#include "api/answer.h"
#include "api/by_instance.h"

namespace drover::api {

void find_task(Services& services, const Caller& caller, identity::Action action, const Id& id,
               const http::Responder& respond, std::function<void(task::LiveTaskPtr)> found) {
  services.engine.find(
      caller.project(), id,
      [&services, caller, action, respond, found = std::move(found)](Result<task::LiveTaskPtr> live) {
        if (!live) return respond(refuse(refusal_of(live.error())));
        if (!caller.depends(action)) return found(*live);
        judge_ids(services, caller, action, (*live)->task().targets, respond,
                  [found, task = *live](const std::vector<std::string>&) { found(task); });
      });
}

}  // namespace drover::api
