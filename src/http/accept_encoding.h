// Which form of a body a client takes (RFC 9110 section 12.5.3).
#pragma once

#include <span>

#include "http/parser.h"

namespace drover::http {

// The Accept-Encoding fields among `fields` allow gzip, and do not prefer the body as it is. What is
// malformed there counts as not said.
bool accepts_gzip(std::span<const Field> fields);

}  // namespace drover::http
