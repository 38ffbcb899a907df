// What to do about what the server does not have.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/client.h"

namespace drover::cli {

// What a request named; empty: nothing of that kind.
struct Named {
  std::string user = {};
  std::string project = {};
  std::string role = {};
};

// For a kMissing, which of these is not there and the command that makes it: the server is asked. All else
// stays as it is.
Error explain(const Client& client, Error error, const Named& named);

// A role by its short name in full: admin and readonly stand for the two that are always there.
std::string full_role(const std::string& role);

}  // namespace drover::cli
