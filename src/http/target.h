// The request target: which path, which query (RFC 9112 section 3.2, RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace drover::http {

struct Target {
  std::string_view path;   // begins with '/', still percent-encoded
  std::string_view query;  // without the '?', still percent-encoded
};

// Takes origin form ("/v1/x?a=b") and absolute form ("http://host/v1/x"). Nothing for any other form.
std::optional<Target> split_target(std::string_view target);

// The path that is looked up: "//v1/x" is "/v1/x", because SDKs whose endpoint ends with a slash send that.
// Only this one empty segment is forgiven.
std::string_view routed_path(std::string_view path);

// Appends `text` decoded to `out`. False if an escape is malformed or stands for NUL. `plus_is_space` for
// queries.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& out);

}  // namespace drover::http
