// Drover's own API under /api/v1: what KooPhone's leaves out.
#pragma once

#include "api/routes.h"

namespace drover::api::native {

void add_instance_routes(Routes& routes);
void add_task_routes(Routes& routes);
void add_job_routes(Routes& routes);
void add_admin_routes(Routes& routes);

}  // namespace drover::api::native
