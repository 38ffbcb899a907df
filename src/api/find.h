// Finding the task that a request names.
#pragma once

#include <functional>

#include "api/answer.h"
#include "api/caller.h"
#include "api/services.h"
#include "base/id.h"
#include "http/message.h"

namespace drover::api {

inline Refusal no_such_task() { return not_found("no such task in this project"); }

// Calls `found` with the task of that id in the caller's project, if he may do `action` on all of its
// instances: at once if it is in memory, else on another thread. Answers 404 if there is none, 403 if he may
// not.
void find_task(Services& services, const Caller& caller, identity::Action action, const Id& id,
               const http::Responder& respond, std::function<void(task::LiveTaskPtr)> found);

}  // namespace drover::api
