#include "store/postgres/refusal.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>

#include "store/errc.h"

namespace drover::store::postgres {
namespace {

constexpr std::size_t kLength = 5;

bool may_pass(std::string_view state) {
  // Connection, resources, and what an operator does or the system under the server; then read-only,
  // serialization, deadlock, lock timeout, statement timeout.
  static constexpr std::array<std::string_view, 4> kClasses{"08", "53", "57P0", "58"};
  static constexpr std::array<std::string_view, 5> kStates{"25006", "40001", "40P01", "55P03", "57014"};
  return std::any_of(kClasses.begin(), kClasses.end(), [&](auto one) { return state.starts_with(one); }) ||
         std::find(kStates.begin(), kStates.end(), state) != kStates.end();
}

bool is_state(std::string_view text) {
  return text.size() == kLength && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

std::string_view field(const pg_result* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : std::string_view{};
}

}  // namespace

Error refusal(std::string_view state, std::string_view sentence) {
  std::string detail(state.size() == kLength ? state : "XX000");
  detail.append(": ").append(sentence);
  return failure(may_pass(state) ? Errc::kUnavailable : Errc::kRejected, detail).value();
}

Error refusal(const pg_result* result) {
  return refusal(field(result, PG_DIAG_SQLSTATE), field(result, PG_DIAG_MESSAGE_PRIMARY));
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string sqlstate(const Error& error) {
  if (error.code != Errc::kRejected && error.code != Errc::kUnavailable) return {};
  const std::string before = error.code.message() + ": ";
  std::string_view rest = error.message;
  if (!rest.starts_with(before)) return {};
  rest.remove_prefix(before.size());
  if (rest.size() < kLength + 1 || rest[kLength] != ':') return {};
  const std::string_view state = rest.substr(0, kLength);
  return is_state(state) ? std::string(state) : std::string{};
}

std::string sqlstate_in(std::string_view message) {
  constexpr std::string_view kColon = ": ";
  for (std::size_t at = message.find(kColon); at != message.npos; at = message.find(kColon, at + 1)) {
    const std::string_view state = message.substr(at + kColon.size()).substr(0, kLength);
    if (is_state(state) && message.substr(at + kColon.size() + kLength).starts_with(kColon))
      return std::string(state);
  }
  return {};
}

}  // namespace drover::store::postgres
