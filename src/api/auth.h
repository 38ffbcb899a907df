// Who asks, and may they?
#pragma once

#include "api/access.h"
#include "api/answer.h"
#include "http/message.h"
#include "identity/identity.h"

namespace drover::api {

// A signature covers the body: until that is here, it is not known who asks.
enum class Body { kHere, kStillToCome };

// Who was admitted.
struct Admitted {
  identity::PrincipalPtr
      who;                // null: a signed request whose body is still to come, nothing being wrong so far
  bool own_user = false;  // the server's own, over the Unix socket
};

struct Refused {
  Refusal why;
  identity::PrincipalPtr who;  // null: nobody known
};

// Who asks is said by, in this order: a signature (Authorization: SDK-HMAC-SHA256), a token in X-Auth-Token,
// the Unix socket, over which it is the server's own user, in the project that X-Drover-Project names
// ("default" if it is missing); what is there counts, also where the next would do. Refuses with 401 who is
// not known, with 403 who may not, with 404 a project that the server's user named wrongly. For open routes
// it is somebody who may do nothing.
tl::expected<Admitted, Refused> admit(const http::Request& request, const identity::Identity& identity,
                                      const Access& access, Body body);

}  // namespace drover::api
