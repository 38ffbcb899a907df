#include "store/postgres/audit_watermark.h"

#include <algorithm>
#include <utility>

#include "store/errc.h"

namespace drover::store::postgres {
namespace {

constexpr Millis kPause{20};

// One after the other: a lock that the second does not see is of a unit whose numbers come behind the first.
const Statement kDrawn{"audit_drawn", "SELECT last_value FROM drover.audit_seq"};
// Keys with 0x4472 in front of 48 bits are kAuditMark's. The store's other keys are below, and those of other
// programs in the same database are hardly among them.
const Statement kMarks{"audit_marks",
                       "SELECT min((classid::int8 & 65535) << 32 | objid::int8) FROM pg_locks"
                       " WHERE locktype = 'advisory' AND objsubid = 1 AND classid::int8 >> 16 = 17522"
                       " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"};

}  // namespace

AuditWatermark::AuditWatermark(Loop& loop, Connection& reader)
    : loop_(loop), reader_(reader), timer_([this] { look_again(); }) {}

AuditWatermark::~AuditWatermark() {
  for (const Asked& asked : std::exchange(waiting_, {})) asked.done(failure(Errc::kClosed));
}

void AuditWatermark::ask(Done<std::int64_t> done) {
  look({std::move(done), loop_.clock().steady() + kPatience, std::nullopt});
}

void AuditWatermark::look(Asked asked) {
  Unit unit;
  unit.add(kDrawn, {});
  unit.add(kMarks, {});
  reader_.run(std::move(unit),
              [this, asked = std::move(asked)](const Result<std::vector<Rows>>& rows) mutable {
                if (!rows) return asked.done(tl::make_unexpected(rows.error()));
                const std::int64_t drawn = rows->at(0).integer(0, 0);
                const Rows& marks = rows->at(1);
                const std::int64_t seen = marks.is_null(0, 0) ? drawn : std::min(drawn, marks.integer(0, 0));
                if (!asked.wanted) asked.wanted = drawn;
                if (seen >= *asked.wanted || loop_.clock().steady() >= asked.until) return asked.done(seen);
                waiting_.push_back(std::move(asked));
                if (!timer_.armed()) loop_.schedule(timer_, kPause);
              });
}

void AuditWatermark::look_again() {
  for (Asked& asked : std::exchange(waiting_, {})) look(std::move(asked));
}

}  // namespace drover::store::postgres
