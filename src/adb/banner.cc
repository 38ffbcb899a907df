#include "adb/banner.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace drover::adb {
namespace {

constexpr std::size_t kMaxValue = 128;
constexpr std::array<std::string_view, 5> kTypes = {"device", "recovery", "sideload", "rescue", "bootloader"};

// Takes what stands before the first `separator` off the front of `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

std::string clean(std::string_view value) {
  std::string text = to_utf8(value, kMaxValue);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

bool lists(std::string_view features, std::string_view wanted) {
  while (!features.empty()) {
    if (take_until(features, ',') == wanted) return true;
  }
  return false;
}

}  // namespace

std::string host_banner() { return std::string("host::features=").append(kFeatureShellV2); }

std::optional<Banner> parse_device_banner(std::string_view text) {
  text = text.substr(0, text.find('\0'));  // older ones end with it
  const std::string_view type = take_until(text, ':');
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) return std::nullopt;
  Banner banner;
  banner.type = type;
  take_until(text, ':');  // a serial number, always empty
  while (!text.empty()) {
    std::string_view value = take_until(text, ';');
    const std::string_view name = take_until(value, '=');
    if (name == "ro.product.name") banner.product = clean(value);
    if (name == "ro.product.model") banner.model = clean(value);
    if (name == "ro.product.device") banner.device = clean(value);
    if (name == "features") banner.shell_v2 = lists(value, kFeatureShellV2);
  }
  return banner;
}

}  // namespace drover::adb
