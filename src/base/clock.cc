#include "base/clock.h"

#include <algorithm>
#include <ctime>

namespace drover {

std::int64_t Clock::unix_ms() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::max<std::int64_t>(1, std::chrono::duration_cast<Millis>(now).count());
}

std::string format_utc(std::int64_t unix_ms, bool with_millis) {
  std::int64_t seconds = unix_ms / 1000;
  std::int64_t millis = unix_ms % 1000;
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  const std::time_t t = seconds;
  std::tm utc{};
  gmtime_r(&t, &utc);
  char text[40];
  std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string out(text, size);
  if (with_millis) {
    out += '.';
    out += static_cast<char>('0' + millis / 100);
    out += static_cast<char>('0' + millis / 10 % 10);
    out += static_cast<char>('0' + millis % 10);
  }
  out += 'Z';
  return out;
}

}  // namespace drover
