// The texts by which the two sides introduce themselves in CNXN.
//
// Source: AOSP packages/modules/adb, adb.cpp (parse_banner) and transport.cpp (features).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adb/connection.h"

namespace drover::adb {

inline constexpr std::string_view kFeatureShellV2 = "shell_v2";

// What the host sends: the features that Drover makes use of.
std::string host_banner();

// Reads a device's banner (`device::ro.product.name=x;...;features=a,b`), a hostile text: each value comes
// out as valid UTF-8 without control characters, at most 128 bytes. Nothing if it is no device's. `version`
// and `max_payload` are not part of the text and stay 0.
std::optional<Banner> parse_device_banner(std::string_view text);

}  // namespace drover::adb
