#include "store/postgres/entry.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "store/errc.h"
#include "store/postgres/clock_skew.h"
#include "store/postgres/connection.h"
#include "store/postgres/node_rows.h"
#include "store/postgres/refusal.h"
#include "store/postgres/schema.h"

namespace drover::store::postgres {
namespace {

// How long a start waits for the schema to be brought to its version. Who gives up stops nothing.
constexpr std::chrono::hours kMigrationPatience{1};

}  // namespace

Result<> Entry::migrate() {
  Unit look;
  look.add(kLookForSchema);
  auto found = ask(std::move(look));
  if (!found) return tl::make_unexpected(std::move(found.error()));
  if (is_strange(found->at(0)))
    return failure(Errc::kCorrupt, "the schema drover belongs to another program");
  const auto last = std::ssize(migrations_);
  if (found->at(0).integer(0, 1) != 0) {
    Unit read;
    read.add(kReadVersion);
    auto version = ask(std::move(read));
    if (!version) return tl::make_unexpected(with_grant(std::move(version.error())));
    const std::int64_t number = version->at(0).integer(0, 0);
    if (number > last) return too_new(number);
    if (number == last) return {};
    spdlog::info("store: the database is of version {}, and is brought to {}", number, last);
  }
  auto done = run_(migration(migrations_), kMigrationPatience);
  if (!done) return tl::make_unexpected(with_grant(std::move(done.error())));
  const std::int64_t number = done->back().integer(0, 0);
  if (number > last) return too_new(number);
  if (number == last) return {};
  if (number == 0) return failure(Errc::kCorrupt, "its version is missing");
  return failure(Errc::kOldNodes, done->back().bytes(0, 1));
}

Result<std::vector<Rows>> Entry::ask(Unit unit) {
  return run_(std::move(unit), Connection::Options{}.answer_patience);
}

Failure Entry::too_new(std::int64_t version) const {
  return failure(Errc::kTooNew, "its version is " + std::to_string(version) +
                                    ", the last one known here is " + std::to_string(migrations_.size()));
}

Result<> Entry::compare_clocks(const Clock& clock, const std::string& node_id) {
  Unit unit;
  Params params;
  params.add_text(node_id);
  unit.add(
      "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8, EXISTS (SELECT 1 FROM drover.lease l"
      " JOIN drover.node n ON n.epoch = l.epoch"
      " WHERE n.id <> $1 AND l.seen IS NOT NULL AND l.expires_at > clock_timestamp())",
      std::move(params));
  const SteadyTime asked_at = clock.steady();
  const auto rows = ask(std::move(unit));
  if (!rows) return tl::make_unexpected(rows.error());
  const auto round_trip = std::chrono::duration_cast<Millis>(clock.steady() - asked_at);
  const Millis skew = skew_of(clock, round_trip, rows->at(0).integer(0, 0));
  const bool others_serve = rows->at(0).integer(0, 1) != 0;
  if (!others_serve || std::chrono::abs(skew) <= kSkewToRefuse) return {};
  return failure(Errc::kWrongClock, text_of_skew(skew));
}

// Who may not make what is to be made is told what to run.
Error Entry::with_grant(Error error) {
  if (sqlstate(error) != "42501") return error;
  Unit unit;
  unit.add(kMissingGrant);
  const auto rows = ask(std::move(unit));
  if (rows && !rows->at(0).bytes(0, 0).empty()) error.message.append("\n").append(rows->at(0).bytes(0, 0));
  return error;
}

Result<std::int64_t> Entry::enter(const std::string& node_id, const std::string& node_name) {
  auto rows = ask(register_node(node_id, node_name, std::ssize(migrations_)));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  const Rows& answer = rows->back();
  if (answer.is_null(0, 1)) return too_new(answer.integer(0, 0));
  return answer.integer(0, 1);
}

}  // namespace drover::store::postgres
