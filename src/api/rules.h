// The rules that both APIs have for what a request holds. Each refuses with 400, naming the field and the
// rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer.h"
#include "api/json_reader.h"
#include "base/clock.h"
#include "http/message.h"

namespace drover::api {

inline constexpr std::size_t kLongestCommand = 1024;  // bytes
inline constexpr std::uint32_t kDefaultStartDeadline = 600;
inline constexpr std::uint32_t kDefaultRunTimeout = 60;
inline constexpr std::int64_t kLongestWait = 60;  // seconds

// 1 to 1,024 bytes of UTF-8 (which the JSON reader has seen to) without NUL; in some projects only the
// characters that KooPhone documents, and space.
Checked<std::string> check_command(std::optional<std::string> command, bool koophone_characters_only);

// The list is there, and holds 1 to `list.max` instance ids.
Checked<std::vector<std::string>> check_instance_ids(StringList list);

// 1 to 86,400 s.
Checked<std::uint32_t> check_seconds(std::string_view name, std::optional<std::int64_t> value,
                                     std::uint32_t otherwise);

// The query parameter as an integer from `min` to `max`; `otherwise` if it is missing.
Checked<std::int64_t> query_integer(const http::Request& request, std::string_view name,
                                    std::int64_t otherwise, std::int64_t min, std::int64_t max);
// The same without a default: it must be there.
Checked<std::int64_t> required_query_integer(const http::Request& request, std::string_view name,
                                             std::int64_t min, std::int64_t max);

// `wait`, how long a request may wait for a task's end: 0 to 60 s, 0 if it is missing.
Checked<Seconds> query_wait(const http::Request& request);

// 1024 as "1,024".
std::string grouped(std::int64_t number);

}  // namespace drover::api
