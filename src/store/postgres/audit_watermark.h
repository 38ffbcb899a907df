// How far the audit log can be read while several nodes write it.
//
// Numbers are drawn within units, and units are committed side by side: a number may come to be seen after a
// larger one. So each unit, before it draws its own, locks the last number drawn until then, until its end.
// What it draws is larger, and a reader that stops at the smallest number locked passes nothing that is still
// to come. The locks are shared, so nobody waits for one; they leave no row behind; and no transaction but
// those that enter something holds readers up, however long it is open.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/loop.h"
#include "store/postgres/connection.h"
#include "store/store.h"

namespace drover::store::postgres {

// Sets the lock: a condition for the WHERE of a command that draws numbers in its SELECT list, so after it.
inline constexpr char kAuditMark[] =
    "(SELECT pg_advisory_xact_lock_shared(4932004541924114432 + last_value) FROM drover.audit_seq)"
    " IS NOT NULL";

// Belongs to the loop.
class AuditWatermark {
 public:
  // For a unit that somebody keeps from ending. What came after it is left out then.
  static constexpr Millis kPatience{1'000};

  AuditWatermark(Loop& loop, Connection& reader);
  ~AuditWatermark();  // who waits is answered kClosed

  // The number up to which all that ever will be in the log can be seen. Waits for the units under way, so
  // that what has been answered, on whichever node, is not beyond it.
  void ask(Done<std::int64_t> done);

 private:
  struct Asked {
    Done<std::int64_t> done;
    SteadyTime until;
    std::optional<std::int64_t> wanted;  // the last number drawn when it asked
  };

  void look(Asked asked);
  void look_again();

  Loop& loop_;
  Connection& reader_;
  std::vector<Asked> waiting_;
  Timer timer_;
};

}  // namespace drover::store::postgres
