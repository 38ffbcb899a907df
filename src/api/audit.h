// Who did what, and that nothing is answered before it is written down.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "api/caller.h"
#include "base/loop.h"
#include "http/message.h"
#include "store/store.h"

namespace drover::api {

// The answer to a request that is followed leaves when its entry is durable; if the entry cannot be stored,
// the answer is 503. What is refused for want of room or rate (429, 503) is not entered.
class Audit {
 public:
  enum class Enters {
    kAll,       // a change, whatever becomes of it
    kRefusals,  // a query: 401 and 403
  };

  // All outlive it; `loop` has ended when it is destroyed.
  Audit(const Clock& clock, store::Store& store, Loop& loop);
  ~Audit();

  // On the HTTP thread, once a request, before copies of `respond` go elsewhere. `who`: null for somebody
  // unknown, of whose refusals ten a second are entered, with a count of those left out. `action`: a literal.
  std::shared_ptr<AuditNote> follow(const http::Request& request, const http::Responder& respond,
                                    identity::PrincipalPtr who, std::string_view action, Enters enters);

  // The same for a refusal that goes through no Responder: it does not wait for its entry.
  void refused_early(const http::Request& request, const http::Response& response,
                     const identity::PrincipalPtr& who, std::string_view action);

  // The entry of a request that is about to become a task, for that task's commit. Set `stored` of the note
  // when it has been made.
  store::AuditEntry entry(const http::Request& request, const Caller& caller) const;

 private:
  class Unknown;

  // Counts what is left out.
  bool is_left_out(const identity::PrincipalPtr& who, const AuditNote& note, unsigned status);
  store::AuditEntry entry(const http::Request& request, const identity::Principal* who, const AuditNote& note,
                          const http::Response& response) const;

  const Clock& clock_;
  store::Store& store_;
  std::unique_ptr<Unknown> unknown_;
};

}  // namespace drover::api
