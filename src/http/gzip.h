// Bodies made smaller for clients that take gzip (RFC 1952).
//
// Any thread; each keeps about 300 KiB to work with once it has compressed something.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace drover::http {

// Less than this is not worth it: it fits into a packet as it is.
inline constexpr std::size_t kLeastGzip = 1024;

// Nothing if that would not be smaller.
std::optional<std::string> gzip(std::string_view text);

// Compresses the body, and says so in `content_encoding`. Leaves it as it is when it has an encoding already,
// is small, or would not become smaller. A body that answers share is compressed once, as long as one of
// those answers is on its way and the thread has compressed nothing else.
void gzip_body(Response& response);

}  // namespace drover::http
