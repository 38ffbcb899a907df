#include "store/postgres/conninfo.h"

#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "store/postgres/address.h"

namespace drover::store::postgres {
namespace {

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Default {
  const char* keyword;
  const char* variable;  // of the environment, that counts before
  const char* value;
};

// A server that is gone is noticed in seconds; of several that are tried, the one that takes writes is it.
constexpr std::array<Default, 5> kDefaults{{{"target_session_attrs", "PGTARGETSESSIONATTRS", "read-write"},
                                            {"tcp_user_timeout", nullptr, "5000"},
                                            {"keepalives_idle", nullptr, "5"},
                                            {"keepalives_interval", nullptr, "2"},
                                            {"keepalives_count", nullptr, "3"}}};

std::optional<std::string> find(const Pairs& pairs, std::string_view keyword) {
  for (const auto& [key, value] : pairs) {
    if (key == keyword) return value;
  }
  return std::nullopt;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts(1);
  for (const char c : list) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

// The name of a parameter that libpq does not know, if that is what it complains of and the name cannot be a
// piece of a password with an & in it. Whatever else libpq says may quote the password.
std::string unknown_parameter(std::string_view complaint, std::string_view text) {
  constexpr std::string_view kUnknown = "invalid URI query parameter: ";
  if (!complaint.starts_with(kUnknown) || text.find("password=") != text.npos) return {};
  return std::string(complaint.substr(kUnknown.size(), complaint.find('\n') - kUnknown.size()));
}

Error unreadable(std::string_view complaint, std::string_view text) {
  const std::string unknown = unknown_parameter(complaint, text);
  return {std::make_error_code(std::errc::invalid_argument),
          unknown.empty()
              ? "the connection string of PostgreSQL is neither `host=... dbname=...` nor postgresql://..."
              : "the address of PostgreSQL has a parameter that libpq does not know: " + unknown};
}

// What keeps libpq from reading the file; empty if nothing does.
std::string trouble_with(const std::string& passfile) {
  struct stat status {};
  const std::string name = "the password file " + passfile;
  if (::stat(passfile.c_str(), &status) != 0 || ::access(passfile.c_str(), R_OK) != 0)
    return name + " cannot be read: " + std::generic_category().message(errno);
  if (!S_ISREG(status.st_mode)) return name + " is no plain file";
  if ((status.st_mode & 077) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(status.st_mode & 07777));
  return name + " has mode " + mode.data() + " and is passed over, since others may use it: chmod 600 " +
         passfile;
}

}  // namespace

Result<Conninfo> Conninfo::parse(const std::string& text, const std::string& application_name) {
  if (ends_too_early(text)) return failure(std::make_error_code(std::errc::invalid_argument), kEscapeHint);
  char* said = nullptr;
  const Options options(PQconninfoParse(text.c_str(), &said), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> complaint(said, PQfreemem);
  if (!options) return Failure(unreadable(complaint ? complaint.get() : "", text));
  Conninfo info;
  for (const PQconninfoOption* one = options.get(); one->keyword != nullptr; ++one) {
    if (one->val != nullptr) info.given_.emplace_back(one->keyword, one->val);
  }
  const Options defaults(PQconndefaults(), PQconninfoFree);
  for (const PQconninfoOption* one = defaults.get(); one != nullptr && one->keyword != nullptr; ++one) {
    if (one->val != nullptr) info.environment_.emplace_back(one->keyword, one->val);
  }
  for (const auto& pair : info.given_) {
    const std::string& key = pair.first;
    if (key != "host" && key != "hostaddr" && key != "port" && key != "client_encoding") {
      info.settings_.push_back(pair);
    }
  }
  for (const Default& one : kDefaults) {
    const bool set =
        find(info.given_, one.keyword) || (one.variable != nullptr && std::getenv(one.variable) != nullptr);
    if (!set) info.settings_.emplace_back(one.keyword, one.value);
  }
  info.settings_.emplace_back("client_encoding", "UTF8");
  info.settings_.emplace_back("fallback_application_name", application_name);
  info.find_targets();
  return info;
}

std::string Conninfo::given(std::string_view keyword) const { return find(given_, keyword).value_or(""); }

std::string Conninfo::effective(std::string_view keyword) const {
  if (auto value = find(given_, keyword)) return *value;
  return find(environment_, keyword).value_or("");
}

// Each server is tried by itself, so that one that does not answer cannot use up the patience for the others.
void Conninfo::find_targets() {
  // The service file may name servers: then libpq chooses. Lists that do not match are its to refuse.
  if (!given("service").empty()) return targets_.push_back({given("host"), given("hostaddr"), given("port")});
  const std::vector<std::string> hosts = split(effective("host"));
  const std::vector<std::string> addresses = split(effective("hostaddr"));
  const std::vector<std::string> ports = split(effective("port"));
  const std::size_t count = std::max(hosts.size(), addresses.size());
  const auto matches = [count](const auto& list) { return list.size() == 1 || list.size() == count; };
  if (!matches(hosts) || !matches(addresses) || !matches(ports)) {
    return targets_.push_back({effective("host"), effective("hostaddr"), effective("port")});
  }
  const auto at = [](const auto& list, std::size_t i) { return list.size() == 1 ? list[0] : list[i]; };
  for (std::size_t i = 0; i < count; ++i) targets_.push_back({at(hosts, i), at(addresses, i), at(ports, i)});
}

std::string Conninfo::passfile() const {
  if (!effective("service").empty()) return {};  // which may name one
  if (std::string named = effective("passfile"); !named.empty()) return named;
  const char* const home = std::getenv("HOME");
  if (home == nullptr) return {};
  std::string usual = std::string(home) + "/.pgpass";
  return ::access(usual.c_str(), F_OK) == 0 ? usual : std::string();
}

std::string Conninfo::why_no_password() const {
  const std::string file = passfile();
  if (file.empty()) return {};
  const std::string trouble = trouble_with(file);
  return trouble.empty() ? "no line of " + file + " is for this host, port, database and user" : trouble;
}

bool Conninfo::needs_lookup(const Target& target) {
  if (target.host.empty() || !target.address.empty()) return false;
  if (target.host[0] == '/' || target.host[0] == '@' || target.host.find(',') != std::string::npos)
    return false;
  boost::system::error_code error;
  boost::asio::ip::make_address(target.host, error);
  return error.failed();
}

Pairs Conninfo::settings(const Target& target) const {
  Pairs all = settings_;
  if (!target.host.empty()) all.emplace_back("host", target.host);
  if (!target.address.empty()) all.emplace_back("hostaddr", target.address);
  if (!target.port.empty()) all.emplace_back("port", target.port);
  // libpq would print a warning at each attempt. What ends with a slash is no file, and it is silent about
  // that.
  if (const std::string file = passfile(); !file.empty() && !trouble_with(file).empty()) {
    std::erase_if(all, [](const auto& pair) { return pair.first == "passfile"; });
    all.emplace_back("passfile", file + "/");
  }
  return all;
}

std::string Conninfo::describe(const Target& target) const {
  if (const std::string service = given("service"); !service.empty()) {
    return "PostgreSQL of the service \"" + service + '"';
  }
  const std::string& host = target.host.empty() ? target.address : target.host;
  std::string database = effective("dbname");
  if (database.empty()) database = effective("user");
  return "PostgreSQL at " + (host.empty() ? "the local socket" : host) + ":" +
         (target.port.empty() ? "5432" : target.port) + ", database \"" + database + '"';
}

}  // namespace drover::store::postgres
