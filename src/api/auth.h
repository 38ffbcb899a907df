// Who asks, and may they?
#pragma once

#include "api/answer.h"
#include "http/message.h"
#include "identity/identity.h"

namespace drover::api {

// What a route asks of who calls it.
enum class Access {
  kOpen,    // nothing
  kRead,    // any role in the project
  kChange,  // the project's admin
  kOwner,   // the server's own user, over the Unix socket
};

// Over TCP the token in X-Auth-Token says who asks. Over the Unix socket, without a token, it is the server's
// own user, acting as admin of the project that X-Drover-Project names ("default" if it is missing). Refuses
// with 401 who is not known, with 403 who may not, with 404 a project that the server's user named wrongly.
// For kOpen and kOwner the principal is empty.
Checked<identity::Principal> admit(const http::Request& request, const identity::Identity& identity,
                                   Access access);

}  // namespace drover::api
