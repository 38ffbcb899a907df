// How many requests a project, and a user of it, may make a second.
#pragma once

#include <cstdint>

#include "api/answer.h"
#include "base/rate_limit.h"
#include "identity/principal.h"

namespace drover::api {

// Any thread. A second's worth may come at once.
class Limits {
 public:
  // Requests a second; 0: no limit.
  Limits(const Clock& clock, std::uint32_t project_rate, std::uint32_t user_rate);

  // Counts a request. 429 if it is one too many: whose limit it is, and when the next may come.
  Checked<> take(const identity::Principal& who);
  // What take() would say now, without counting.
  Checked<> look(const identity::Principal& who) const;

 private:
  const Clock& clock_;
  const std::uint32_t project_rate_;
  const std::uint32_t user_rate_;
  RateLimit projects_;
  RateLimit users_;
};

}  // namespace drover::api
