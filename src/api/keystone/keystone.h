// The part of Keystone's Identity API v3 that clients need to get a token and find their way: a cloud
// service's own IAM is one, and so is everything that is made for OpenStack.
#pragma once

#include "api/routes.h"

namespace drover::api::keystone {

void add_session_routes(Routes& routes);
void add_project_routes(Routes& routes);
void add_version_routes(Routes& routes);

}  // namespace drover::api::keystone
