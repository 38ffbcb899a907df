#include "sim/fault.h"

#include <charconv>
#include <cmath>

namespace drover::sim {
namespace {

enum class Unit : std::uint8_t { kNone, kMillis, kSeconds, kBytes };

struct KindInfo {
  std::string_view name;
  Unit unit;
  std::uint32_t otherwise;  // the amount if none is given
};

// In the order of FaultKind.
constexpr std::array<KindInfo, kFaultKinds> kKinds = {{
    {"slow", Unit::kMillis, 100},
    {"silent", Unit::kNone, 0},
    {"hang", Unit::kNone, 0},
    {"drop", Unit::kBytes, 0},
    {"refuse-key", Unit::kNone, 0},
    {"legacy", Unit::kNone, 0},
    {"garbage", Unit::kNone, 0},
    {"garbage-stream", Unit::kNone, 0},
    {"reboot", Unit::kSeconds, 5'000},
    {"absent", Unit::kNone, 0},
    {"flap", Unit::kSeconds, 10'000},
    {"no-exit", Unit::kNone, 0},
    {"double-close", Unit::kNone, 0},
    {"oversize", Unit::kNone, 0},
    {"bad-magic", Unit::kNone, 0},
    {"endless", Unit::kNone, 0},
    {"refuse-open", Unit::kNone, 0},
}};

constexpr double kMaxMillis = 86'400'000;  // a day

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> parse_amount(Unit unit, std::string_view text) {
  if (unit == Unit::kNone) return std::nullopt;
  if (unit == Unit::kBytes) return parse_number<std::uint32_t>(text);
  const auto value = parse_number<double>(text);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  const double millis = unit == Unit::kSeconds ? *value * 1000 : *value;
  // Half a millisecond is no time: a phone that flaps without a pause would keep the whole simulator busy.
  if (millis < 1 || millis > kMaxMillis) return std::nullopt;
  return static_cast<std::uint32_t>(millis);
}

}  // namespace

std::string_view name_of(FaultKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }

Result<Fault> parse_fault(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    if (kKinds[i].name != name) continue;
    Fault fault{static_cast<FaultKind>(i), kKinds[i].otherwise};
    if (colon == std::string_view::npos) return fault;
    const auto amount = parse_amount(kKinds[i].unit, text.substr(colon + 1));
    if (!amount) return failure(Errc::kBadFault, text);
    fault.amount = *amount;
    return fault;
  }
  return failure(Errc::kBadFault, text);
}

Result<PhoneRange> PhoneRange::parse(std::string_view text) {
  if (text == "all") return all();
  PhoneRange range;
  if (!text.empty() && text.back() == '%') {
    const auto percent = parse_number<double>(text.substr(0, text.size() - 1));
    if (!percent || !(*percent >= 0.1 && *percent <= 100)) return failure(Errc::kBadRange, text);
    range.per_mille_ = static_cast<std::uint32_t>(std::lround(*percent * 10));
    return range;
  }
  const auto dash = text.find('-');
  const auto first = parse_number<std::size_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number<std::size_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) return failure(Errc::kBadRange, text);
  return only(*first, *last);
}

PhoneRange PhoneRange::only(std::size_t first, std::size_t last) {
  PhoneRange range;
  range.first_ = first;
  range.last_ = last;
  return range;
}

bool PhoneRange::has(std::size_t phone, FaultKind kind) const {
  if (phone < first_ || phone > last_) return false;
  // Spread evenly, each kind beginning one phone later than the last.
  return (phone + static_cast<std::size_t>(kind)) * per_mille_ % 1000 < per_mille_;
}

Result<FaultRule> parse_fault_rule(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return failure(Errc::kBadFault, text);
  const auto range = PhoneRange::parse(text.substr(0, equals));
  if (!range) return tl::unexpected(range.error());
  const auto fault = parse_fault(text.substr(equals + 1));
  if (!fault) return tl::unexpected(fault.error());
  return FaultRule{*range, *fault};
}

void FaultSet::add(Fault fault) {
  kinds_ |= bit(fault.kind);
  amounts_[static_cast<std::size_t>(fault.kind)] = fault.amount;
}

std::uint32_t FaultSet::amount(FaultKind kind) const {
  return has(kind) ? amounts_[static_cast<std::size_t>(kind)] : 0;
}

}  // namespace drover::sim
