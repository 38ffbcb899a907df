// Where a phone is reached, and what instances may be called and labelled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fleet/errc.h"
#include "store/types.h"

namespace drover::fleet {

struct Address {
  std::string host;  // a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 5555;
};

// `adb://HOST:PORT`, `adb://[V6]:PORT`; the port may be left out (5555).
Result<Address> parse_address(std::string_view text);

// 1 to 32 of A-Z a-z 0-9 _ -
bool is_instance_id(std::string_view id);

// At most 16, of which keys and values are 1 to 64 of A-Z a-z 0-9 _ . -
bool are_labels(const store::Labels& labels);

}  // namespace drover::fleet
