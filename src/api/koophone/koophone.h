// KooPhone v1's operations: what code and SDKs written for that service call.
#pragma once

#include "api/routes.h"

namespace drover::api::koophone {

void add_command_routes(Routes& routes);
void add_query_routes(Routes& routes);

}  // namespace drover::api::koophone
