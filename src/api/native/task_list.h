// The newest tasks of a project, a page at a time.
#pragma once

#include <cstdint>

#include "api/services.h"
#include "http/message.h"

namespace drover::api::native {

// Answers with at most `limit` tasks that were accepted before the one of number `before` (0: the newest).
void list_tasks(Services& services, std::int64_t project, std::int64_t before, std::uint32_t limit,
                const http::Responder& respond);

}  // namespace drover::api::native
