// A connection string as its user wrote it: which servers it names, and what Drover adds.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace drover::store::postgres {

// One server to try. Empty parts are libpq's to choose.
struct Target {
  std::string host;
  std::string address;  // numeric; then the host's name counts for certificates and ~/.pgpass only
  std::string port;
};

class Conninfo {
 public:
  // std::errc::invalid_argument if libpq cannot read it, or would take a piece of the password for something
  // else. Of what is in it only a parameter that is not known is named: a slip of the pen shows the password.
  static Result<Conninfo> parse(const std::string& text, const std::string& application_name);

  const std::vector<Target>& targets() const { return targets_; }  // one at least

  // Whether `target` has a name that must be looked up first.
  static bool needs_lookup(const Target& target);

  // The keywords and values that libpq shall have for `target`.
  std::vector<std::pair<std::string, std::string>> settings(const Target& target) const;

  // For people: `PostgreSQL at db1:5432, database "drover"`.
  std::string describe(const Target& target) const;

  // Why the password is not found, when the server has asked for one: which file has no good mode, is not
  // there, or does not have it. Empty if no file was named.
  std::string why_no_password() const;

 private:
  void find_targets();
  // The file of passwords that libpq would read; empty if none was named, and there is no ~/.pgpass.
  std::string passfile() const;
  std::string given(std::string_view keyword) const;
  // As given, or in the environment.
  std::string effective(std::string_view keyword) const;

  std::vector<std::pair<std::string, std::string>> settings_;     // all but the servers
  std::vector<std::pair<std::string, std::string>> given_;        // what the user wrote
  std::vector<std::pair<std::string, std::string>> environment_;  // and what the environment says
  std::vector<Target> targets_;
};

}  // namespace drover::store::postgres
