#include "api/audit.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "api/error_form.h"
#include "api/json_reader.h"
#include "base/token_text.h"
#include "base/utf8.h"

namespace drover::api {
namespace {

constexpr std::size_t kLongestMessage = 512;  // bytes
constexpr std::uint32_t kMostUnknown = 10;    // entries a second
constexpr Seconds kSecond{1};

bool is_entered(Audit::Enters enters, unsigned status) {
  if (enters == Audit::Enters::kRefusals) return status == 401 || status == 403;
  return status != 429 && status != 503;
}

// What the answer says went wrong.
std::string message_of(const http::Response& response) {
  if (response.status < 400) return {};
  std::optional<std::string> message;
  const Member members[] = {{"error_msg", &message}};
  if (!read_json_object(response.body, members) || !message) return {};
  return to_utf8(*message, kLongestMessage);
}

http::Response not_written(const http::Request& request) {
  return refuse(request,
                {503, code::kInternal, "the audit log cannot be written; the request may have been done"});
}

}  // namespace

// Refusals of callers whom nobody knows: there is no end to how many a stranger can cause.
class Audit::Unknown {
 public:
  Unknown(const Clock& clock, store::Store& store, Loop& loop)
      : clock_(clock), store_(store), loop_(loop), count_([this] { tell_left_out(); }) {}

  bool has_place() {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = clock_.steady();
    if (now - since_ >= kSecond) {
      since_ = now;
      entered_ = 0;
    }
    if (entered_ < kMostUnknown) {
      ++entered_;
      return true;
    }
    if (left_out_++ == 0) loop_.post([this] { loop_.schedule(count_, kSecond); });
    return false;
  }

 private:
  void tell_left_out() {
    std::uint64_t left_out = 0;
    {
      const std::lock_guard lock(mutex_);
      left_out = std::exchange(left_out_, 0);
    }
    store::AuditEntry entry;
    entry.at_ms = clock_.unix_ms();
    entry.action = "drover:audit:omitted";
    entry.status = 401;
    entry.message = std::to_string(left_out) + " refusals of unknown callers within a second have no entries";
    store_.add_audit({std::move(entry)}, [](const Result<>&) {});
  }

  const Clock& clock_;
  store::Store& store_;
  Loop& loop_;
  Timer count_;

  std::mutex mutex_;
  SteadyTime since_{};
  std::uint32_t entered_ = 0;
  std::uint64_t left_out_ = 0;
};

Audit::Audit(const Clock& clock, store::Store& store, Loop& loop)
    : clock_(clock), store_(store), unknown_(std::make_unique<Unknown>(clock, store, loop)) {}

Audit::~Audit() = default;

std::shared_ptr<AuditNote> Audit::follow(const http::Request& request, const http::Responder& respond,
                                         identity::PrincipalPtr who, std::string_view action, Enters enters) {
  auto note = std::make_shared<AuditNote>();
  note->action = action;
  note->project = who == nullptr ? 0 : who->project;
  respond.intercept([this, &request, who = std::move(who), note, enters](http::Response response,
                                                                         const http::Responder& next) {
    if (note->stored || !is_entered(enters, response.status) || is_left_out(who, *note, response.status))
      return next(std::move(response));
    // Made before the response is moved on.
    store::AuditEntry made = entry(request, who.get(), *note, response);
    store_.add_audit({std::move(made)},
                     [&request, response = std::move(response), next](const Result<>& stored) mutable {
                       next(stored ? std::move(response) : not_written(request));
                     });
  });
  return note;
}

void Audit::refused_early(const http::Request& request, const http::Response& response,
                          const identity::PrincipalPtr& who, std::string_view action) {
  AuditNote note;
  note.action = action;
  note.project = who == nullptr ? 0 : who->project;
  if (!is_entered(Enters::kRefusals, response.status) || is_left_out(who, note, response.status)) return;
  store_.add_audit({entry(request, who.get(), note, response)}, [](const Result<>&) {});
}

bool Audit::is_left_out(const identity::PrincipalPtr& who, const AuditNote& note, unsigned status) {
  if (who != nullptr && !who->actor.empty()) return false;
  // A login that was judged has cost more than its entry does.
  const bool judged = !note.actor.empty() && (status == 401 || status < 400);
  return !judged && !unknown_->has_place();
}

store::AuditEntry Audit::entry(const http::Request& request, const Caller& caller) const {
  return entry(request, caller.who.get(), *caller.note, {});
}

store::AuditEntry Audit::entry(const http::Request& request, const identity::Principal* who,
                               const AuditNote& note, const http::Response& response) const {
  store::AuditEntry made;
  made.at_ms = clock_.unix_ms();
  made.project = note.project;
  made.actor = note.actor.empty() && who != nullptr ? who->actor : note.actor;
  made.address = request.peer_address();
  made.request_id = request.request_id();
  made.action = note.action;
  made.subject = note.subject;
  made.instances = note.instances;
  made.status = response.status;
  made.message = message_of(response);
  for (std::string* said : {&made.actor, &made.subject, &made.message}) hide_tokens(*said);
  return made;
}

}  // namespace drover::api
