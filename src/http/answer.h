// The head of an answer, as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace drover::http {

// "Sun, 06 Nov 1994 08:49:37 GMT", made anew when the second is over. Not thread-safe.
class DateCache {
 public:
  explicit DateCache(const Clock& clock) : clock_(clock) {}
  // `now` is the clock's steady time. Valid until the next call.
  std::string_view get(SteadyTime now);

 private:
  const Clock& clock_;
  SteadyTime until_ = SteadyTime::min();
  std::string text_;
};

// How the connection goes on; said only where it is not what the client expects.
enum class KeepAlive { kSilent, kSaid, kClose };

// The body that `response` sends, wherever it is.
std::string_view body_of(const Response& response);
// 204 and 304 have no body by definition.
bool may_have_body(unsigned status);

// Appends status line and headers to `out`. Headers of `response` that are malformed (a line break in a
// value) or set by the server itself are left out.
void append_head(std::string& out, const Response& response, KeepAlive keep_alive, std::string_view date,
                 std::string_view request_id);

}  // namespace drover::http
