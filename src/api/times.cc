#include "api/times.h"

#include <chrono>

namespace drover::api {

std::optional<std::int64_t> parse_utc(std::string_view text, char separator, std::string_view end) {
  constexpr std::string_view kForm = "dddd-dd-dd?dd:dd:dd";
  if (text.size() != kForm.size() + end.size() || !text.ends_with(end)) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const char wanted = kForm[i] == '?' ? separator : kForm[i];
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (wanted == 'd' ? !is_digit : text[i] != wanted) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) value = value * 10 + (c - '0');
    return value;
  };
  using namespace std::chrono;
  const year_month_day date(year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                            day(static_cast<unsigned>(number(8, 2))));
  if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return std::nullopt;
  const auto time = sys_days(date) + hours(number(11, 2)) + minutes(number(14, 2)) + seconds(number(17, 2));
  return duration_cast<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace drover::api
