#include "store/postgres/address.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace drover::store::postgres {
namespace {

constexpr std::string_view kHidden = "***";

// Parameters of libpq, up to version 18, that are secrets themselves.
constexpr std::array<std::string_view, 5> kSecrets{"password", "sslpassword", "oauth_client_secret",
                                                   "scram_client_key", "scram_server_key"};

// As libpq cuts it.
struct Parts {
  std::string_view scheme;  // with ://
  std::string_view user;    // with :PASSWORD
  bool has_user = false;
  std::string_view place;  // host, port, database
  std::vector<std::string_view> parameters;
};

std::string_view take_until(std::string_view& rest, std::string_view ends) {
  const std::string_view taken = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(taken.size());
  return taken;
}

Parts parts_of(std::string_view address) {
  Parts parts;
  const std::size_t scheme = address.find("://");
  if (scheme == std::string_view::npos) return parts;
  parts.scheme = address.substr(0, scheme + 3);
  address.remove_prefix(parts.scheme.size());
  // Whatever else is in it, a user ends at the first @, unless a / comes before.
  if (const std::size_t end = address.find_first_of("@/"); end != address.npos && address[end] == '@') {
    parts.has_user = true;
    parts.user = address.substr(0, end);
    address.remove_prefix(end + 1);
  }
  parts.place = take_until(address, "?");
  while (!address.empty()) {
    address.remove_prefix(1);
    parts.parameters.push_back(take_until(address, "&"));
  }
  return parts;
}

// A name with % may be any, and what has no = may be the end of a password with an & in it.
bool is_secret(std::string_view parameter) {
  const std::size_t equals = parameter.find('=');
  if (equals == std::string_view::npos) return true;
  const std::string_view name = parameter.substr(0, equals);
  return name.find('%') != name.npos || std::ranges::find(kSecrets, name) != kSecrets.end();
}

// As where a user and a password come to stand that lost their @ to a / or a ? of the password.
bool has_strange_port(std::string_view place) {
  std::string_view hosts = place.substr(0, place.find('/'));
  while (!hosts.empty()) {
    std::string_view host = take_until(hosts, ",");
    hosts.remove_prefix(hosts.empty() ? 0 : 1);
    if (const std::size_t v6 = host.find(']'); v6 != host.npos) host.remove_prefix(v6);
    const std::size_t colon = host.find(':');
    if (colon != host.npos && host.find_first_not_of("0123456789", colon + 1) != host.npos) return true;
  }
  return false;
}

std::string hidden(std::string_view parameter) {
  return std::string(parameter.substr(0, parameter.find('=') + 1)).append(kHidden);
}

}  // namespace

bool ends_too_early(std::string_view address) {
  const Parts parts = parts_of(address);
  constexpr auto kHasAt = [](std::string_view text) { return text.find('@') != text.npos; };
  return kHasAt(parts.place) || (!parts.has_user && has_strange_port(parts.place)) ||
         std::ranges::any_of(parts.parameters,
                             [&](std::string_view one) { return kHasAt(one.substr(0, one.find('='))); });
}

std::string without_passwords(std::string_view address) {
  const Parts parts = parts_of(address);
  if (parts.scheme.empty()) return std::string(address);
  std::string shown(parts.scheme);
  if (ends_too_early(address)) return shown.append(kHidden);
  const std::size_t colon = parts.user.find(':');
  shown.append(parts.user.substr(0, colon));
  if (colon != std::string_view::npos) shown.append(":").append(kHidden);
  shown.append(parts.has_user ? "@" : "").append(parts.place);
  char before = '?';
  for (const std::string_view one : parts.parameters) {
    shown.push_back(std::exchange(before, '&'));
    shown.append(is_secret(one) ? hidden(one) : std::string(one));
  }
  return shown;
}

bool has_password(std::string_view address) {
  const Parts parts = parts_of(address);
  return parts.user.find(':') != std::string_view::npos || std::ranges::any_of(parts.parameters, is_secret);
}

}  // namespace drover::store::postgres
