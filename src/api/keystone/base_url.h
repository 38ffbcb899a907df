// Where the client reaches this server, as it says itself.
#pragma once

#include <string>

#include "api/answer.h"
#include "http/message.h"

namespace drover::api::keystone {

// "http://" or "https://" and what Host says: its name or address, with the port if there is one. 400 if it
// holds anything else: it comes back to clients within URLs.
Checked<std::string> base_url(const http::Request& request);

}  // namespace drover::api::keystone
