// Errors in the form of the API that was asked, which its path tells.
#pragma once

#include <string>
#include <string_view>

#include "api/answer.h"
#include "http/message.h"

namespace drover::api {

// Under /v3 the body has Keystone's form beside the usual one, and a 401 says where to log in.
http::Response refuse(const http::Request& request, const Refusal& refusal);

// The same for the bodies of errors that the HTTP server itself answers. `path`: Request::raw_path().
std::string error_body(unsigned status, std::string_view message, std::string_view path);

}  // namespace drover::api
