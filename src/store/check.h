// What is wrong with what is stored, for people: each engine has its own checks and says it in these words.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "store/types.h"

namespace drover::store {

enum class Verdict : std::uint8_t { kOk, kWarning, kFailure };

struct Finding {
  std::string check;  // what was looked at, a word
  Verdict verdict = Verdict::kOk;
  std::string message;  // what was found
  std::string advice;   // what to do, several lines perhaps; empty if nothing
};

struct CheckReport {
  std::vector<Finding> findings;
  bool in_use = false;         // a server has it open
  pid_t server = 0;            // and which; 0: not known
  std::int64_t instances = 0;  // that a server has to keep links to
  IdentityRows identities;     // whose secrets may be sealed with a key that is not in the database
};

// What to do about a damaged database in the data folder `folder`: commands.
std::string how_to_go_on(const std::string& folder);

}  // namespace drover::store
