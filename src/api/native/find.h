// Finding the task that a request names.
#pragma once

#include <functional>
#include <string_view>

#include "api/services.h"
#include "http/message.h"

namespace drover::api::native {

// Calls `found` with the principal's task of that id: at once if it is in memory, else on a thread of the
// store's. Answers 404 if there is none.
void find_task(Services& services, const identity::Principal& who, std::string_view id,
               const http::Responder& respond, std::function<void(const task::LiveTaskPtr&)> found);

}  // namespace drover::api::native
