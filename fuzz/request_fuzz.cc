// The bodies of requests, as both APIs read them: whatever comes, it is taken by the rules or refused with a
// reason.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/koophone/command_request.h"
#include "api/native/admin_requests.h"
#include "api/native/requests.h"
#include "api/native/trial_request.h"
#include "base/utf8.h"
#include "fleet/address.h"

namespace {

using drover::api::Checked;

void require(bool holds) {
  if (!holds) std::abort();
}

// True if it was taken.
template <typename T>
bool taken(const Checked<T>& parsed) {
  if (parsed) return true;
  require(parsed.error().status == 400 && !parsed.error().message.empty());
  return false;
}

void check_command(std::string_view command) {
  require(!command.empty() && command.size() <= 1024 && drover::is_utf8(command));
  require(command.find('\0') == command.npos);
}

void check_ids(const std::vector<std::string>& ids, std::size_t most) {
  require(!ids.empty() && ids.size() <= most);
  for (const std::string& id : ids) require(drover::fleet::is_instance_id(id));
}

void check_seconds(std::uint32_t seconds) { require(seconds >= 1 && seconds <= 86'400); }

void parse_koophone(std::string_view body) {
  namespace koophone = drover::api::koophone;
  for (const bool narrow : {false, true}) {
    const auto parsed = koophone::parse_command_request(body, narrow);
    if (!taken(parsed)) continue;
    check_command(parsed->command);
    check_ids(parsed->instance_ids, 100);
    check_seconds(parsed->start_deadline_s);
    check_seconds(parsed->run_timeout_s);
  }
  if (const auto ids = koophone::parse_status_request(body); taken(ids)) check_ids(*ids, 100);
}

void parse_native(std::string_view body) {
  namespace native = drover::api::native;
  if (const auto task = native::parse_task_request(body, false); taken(task)) {
    check_command(task->command);
    if (!task->all) check_ids(task->instance_ids, 100'000);
    require(!task->all || task->instance_ids.empty());
    check_seconds(task->start_deadline_s);
    check_seconds(task->run_timeout_s);
  }
  if (const auto instances = native::parse_instances_request(body); taken(instances)) {
    require(!instances->empty() && instances->size() <= 100'000);
    for (const auto& instance : *instances) require(!instance.labels || instance.labels->size() <= 16);
  }
}

void parse_administration(std::string_view body) {
  namespace native = drover::api::native;
  taken(native::parse_project_request(body));
  taken(native::parse_token_request(body));
  taken(native::parse_user_change_request(body));
  taken(native::parse_password_request(body));
  taken(native::parse_key_request(body));
  taken(native::parse_grant_request(body));
  if (const auto user = native::parse_user_request(body); taken(user))
    require(user->user.grants.size() <= 1'000);
  if (const auto trial = native::parse_trial_request(body); taken(trial)) {
    require((trial->user ? 1 : 0) + (trial->policy ? 1 : 0) + (trial->document ? 1 : 0) == 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  parse_koophone(body);
  parse_native(body);
  parse_administration(body);
  return 0;
}
