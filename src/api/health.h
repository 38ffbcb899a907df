// /healthz, /readyz and /metrics.
#pragma once

#include "api/routes.h"

namespace drover::api {

void add_health_routes(Routes& routes);

}  // namespace drover::api
