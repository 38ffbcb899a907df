#include "http/answer.h"

#include <fmt/format.h>
#include <strings.h>

#include <array>
#include <ctime>

#include "http/gzip.h"

namespace drover::http {
namespace {

std::string_view reason(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
  }
  return "";  // a phrase may be empty (RFC 9112 section 4)
}

bool is_one_line(std::string_view value) {
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

bool may_be_set(std::string_view name) {
  if (name.empty() || !is_one_line(name) || name.find_first_of(" \t:") != name.npos) return false;
  static constexpr std::array<std::string_view, 7> kOurs = {
      "connection", "content-encoding",  "content-length", "content-type",
      "date",       "transfer-encoding", "x-request-id"};
  for (const std::string_view ours : kOurs) {
    if (name.size() == ours.size() && strncasecmp(name.data(), ours.data(), name.size()) == 0) return false;
  }
  return true;
}

void append_status_line(std::string& out, unsigned status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  const fmt::format_int code(status);
  out.append("HTTP/1.1 ").append(code.data(), code.size()).append(" ").append(reason(status)).append("\r\n");
}

}  // namespace

std::string_view DateCache::get(SteadyTime now) {
  if (now < until_) return text_;
  const std::int64_t unix_ms = clock_.unix_ms();
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  text_ = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                      kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  until_ = now + Millis(1000 - unix_ms % 1000);
  return text_;
}

std::string_view body_of(const Response& response) {
  if (response.shared_body) return *response.shared_body;
  return response.body;
}

bool may_have_body(unsigned status) { return status != 204 && status != 304; }

void append_head(std::string& out, const Response& response, KeepAlive keep_alive, std::string_view date,
                 std::string_view request_id) {
  append_status_line(out, response.status);
  if (may_have_body(response.status)) {
    const std::size_t size = body_of(response).size();
    if (size > 0 && is_one_line(response.content_type)) {
      out.append("Content-Type: ").append(response.content_type).append("\r\n");
    }
    if (!response.content_encoding.empty() && is_one_line(response.content_encoding)) {
      out.append("Content-Encoding: ").append(response.content_encoding).append("\r\n");
    }
    // Also on what went as it is to a client that takes no gzip: caches must not give it to others.
    if (!response.content_encoding.empty() || size >= kLeastGzip) out += "Vary: Accept-Encoding\r\n";
    const fmt::format_int length(size);
    out.append("Content-Length: ").append(length.data(), length.size()).append("\r\n");
  }
  out.append("Date: ").append(date).append("\r\nX-Request-Id: ").append(request_id).append("\r\n");
  if (keep_alive == KeepAlive::kClose) out += "Connection: close\r\n";
  if (keep_alive == KeepAlive::kSaid) out += "Connection: keep-alive\r\n";
  for (const auto& [name, value] : response.headers) {
    if (may_be_set(name) && is_one_line(value)) out.append(name).append(": ").append(value).append("\r\n");
  }
  out += "\r\n";
}

}  // namespace drover::http
