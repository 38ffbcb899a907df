#include "api/limits.h"

#include <algorithm>
#include <optional>
#include <string>

#include "api/rules.h"

namespace drover::api {
namespace {

Checked<> passed(std::string_view whose, std::string_view setting, std::uint32_t rate,
                 std::optional<Millis> wait) {
  if (!wait) return {};
  Refusal refusal{429, code::kTooManyRequests,
                  "too many requests: the " + std::string(whose) + " may make " + grouped(rate) +
                      " a second (" + std::string(setting) + ")"};
  refusal.retry_after = std::max(std::chrono::ceil<Seconds>(*wait), Seconds(1));
  return tl::unexpected(std::move(refusal));
}

}  // namespace

Limits::Limits(const Clock& clock, std::uint32_t project_rate, std::uint32_t user_rate)
    : clock_(clock),
      project_rate_(project_rate),
      user_rate_(user_rate),
      projects_(project_rate, project_rate),
      users_(user_rate, user_rate) {}

Checked<> Limits::take(const identity::Principal& who) {
  if (project_rate_ == 0 && user_rate_ == 0) return {};
  const SteadyTime now = clock_.steady();
  if (auto user = passed("user", "limits.user_rate", user_rate_, users_.take(who.limit_key, now)); !user)
    return user;
  if (who.project == 0) return {};
  return passed("project", "limits.project_rate", project_rate_, projects_.take(who.project, now));
}

Checked<> Limits::look(const identity::Principal& who) const {
  if (project_rate_ == 0 && user_rate_ == 0) return {};
  const SteadyTime now = clock_.steady();
  if (auto user = passed("user", "limits.user_rate", user_rate_, users_.wait(who.limit_key, now)); !user)
    return user;
  if (who.project == 0) return {};
  return passed("project", "limits.project_rate", project_rate_, projects_.wait(who.project, now));
}

}  // namespace drover::api
