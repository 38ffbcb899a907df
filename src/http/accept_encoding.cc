#include "http/accept_encoding.h"

#include <optional>

namespace drover::http {
namespace {

constexpr int kWhole = 1000;  // the weight 1

std::string_view trim(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// Takes what stands before the next `mark` out of `text`, without white space around it.
std::string_view take_until(char mark, std::string_view& text) {
  const std::size_t end = std::min(text.find(mark), text.size());
  const std::string_view item = trim(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return item;
}

// "0", "1", "0.5", "1.000": in thousandths.
std::optional<int> parse_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int weight = (text[0] - '0') * kWhole;
  int place = kWhole / 10;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return std::nullopt;
    weight += (c - '0') * place;
    place /= 10;
  }
  return weight <= kWhole ? std::optional(weight) : std::nullopt;
}

// What follows a coding's name, "q=0.5"; nothing said is 1.
std::optional<int> weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = take_until(';', parameters);
    const std::string_view name = take_until('=', value);
    if (equal_any_case(name, "q")) return parse_weight(value);
  }
  return kWhole;
}

// Of each coding that matters the weight that was said first.
struct Weights {
  std::optional<int> gzip;
  std::optional<int> identity;
  std::optional<int> others;

  std::optional<int>* of(std::string_view coding) {
    if (equal_any_case(coding, "gzip") || equal_any_case(coding, "x-gzip")) return &gzip;
    if (equal_any_case(coding, "identity")) return &identity;
    return coding == "*" ? &others : nullptr;
  }

  void read(std::string_view value) {
    while (!value.empty()) {
      std::string_view item = take_until(',', value);
      std::optional<int>* const weight = of(take_until(';', item));
      if (weight != nullptr && !*weight) *weight = weight_of(item);
    }
  }
};

}  // namespace

bool accepts_gzip(std::span<const Field> fields) {
  Weights weights;
  for (const Field& field : fields) {
    if (equal_any_case(field.name, "accept-encoding")) weights.read(field.value);
  }
  const int gzip = weights.gzip.value_or(weights.others.value_or(0));
  return gzip > 0 && gzip >= weights.identity.value_or(0);
}

}  // namespace drover::http
