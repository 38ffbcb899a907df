// Drover's own API under /api/v1: what KooPhone's leaves out.
#pragma once

#include "api/routes.h"

namespace drover::api::native {

void add_instance_routes(Routes& routes);
void add_task_routes(Routes& routes);
void add_job_routes(Routes& routes);
// For administrators of the node.
void add_project_routes(Routes& routes);
void add_token_routes(Routes& routes);
void add_user_routes(Routes& routes);
void add_key_routes(Routes& routes);
void add_policy_routes(Routes& routes);
void add_policy_trial_route(Routes& routes);
// For everybody about himself.
void add_me_routes(Routes& routes);
// For auditors of a project, and administrators of the node.
void add_audit_routes(Routes& routes);

}  // namespace drover::api::native
