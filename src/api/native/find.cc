#include "api/native/find.h"

#include <utility>

#include "api/answer.h"

namespace drover::api::native {

void find_task(Services& services, const identity::Principal& who, std::string_view id,
               const http::Responder& respond, std::function<void(const task::LiveTaskPtr&)> found) {
  const auto task = Id::parse(id);
  if (!task) return respond(refuse(not_found("no such task in this project")));
  services.engine.find(who.project, *task,
                       [respond, found = std::move(found)](Result<task::LiveTaskPtr> live) {
                         if (!live) return respond(refuse(refusal_of(live.error())));
                         found(*live);
                       });
}

}  // namespace drover::api::native
