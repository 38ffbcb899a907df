// How jobs end, in numbers and in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fleet/phone.h"
#include "store/types.h"

namespace drover::task {

// The command ran to its end.
void exited(store::JobOutcome& outcome, int exit_code);
// The command was sent, and nobody knows how it ended.
void disconnected(store::JobOutcome& outcome, std::string_view why);
void timed_out(store::JobOutcome& outcome, std::uint32_t run_timeout_s);

store::JobOutcome cancelled(std::int64_t now_ms);
store::JobOutcome interrupted(std::int64_t begun_ms, std::int64_t now_ms);
store::JobOutcome phone_not_found(std::int64_t now_ms);
store::JobOutcome refused(std::int64_t now_ms);
// Not begun by its start deadline: says whether the phone could be reached, and if not why.
store::JobOutcome expired(const fleet::Phone& phone, std::uint32_t start_deadline_s, std::int64_t now_ms);
// Not begun by its start deadline, because the phone took no command though it could be reached.
store::JobOutcome not_sent(std::string_view why, std::uint32_t start_deadline_s, std::int64_t now_ms);

// A short name for metrics: "ok", "exit", "offline" ...
const char* result_name(store::JobError error);

}  // namespace drover::task
