#include "store/sqlite/audit_log.h"

#include <algorithm>
#include <limits>
#include <string>

#include "store/errc.h"

namespace drover::store::sqlite {
namespace {

constexpr std::int64_t kHour = 3'600'000;  // ms
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

void split(std::string_view joined, std::vector<std::string>& into) {
  while (!joined.empty()) {
    const std::string_view line = joined.substr(0, joined.find('\n'));
    joined.remove_prefix(std::min(joined.size(), line.size() + 1));
    into.emplace_back(line);
  }
}

AuditEntry entry_of(const Statement& row) {
  AuditEntry entry;
  entry.seq = row.integer(0);
  entry.at_ms = row.integer(1);
  entry.project = row.integer(2);
  entry.status = row.integer_as<std::uint32_t>(3);
  entry.actor = row.bytes(4);
  entry.address = row.bytes(5);
  entry.request_id = row.bytes(6);
  entry.action = row.bytes(7);
  entry.subject = row.bytes(8);
  entry.message = row.bytes(9);
  split(row.bytes(10), entry.instances);
  return entry;
}

}  // namespace

Result<AuditWrites> AuditWrites::open(Database& db) {
  AuditWrites self;
  self.db_ = &db;
  auto prepared = db.prepare({
      {&self.add_,
       "INSERT INTO audit(at_ms, project, status, actor, address, request_id, action, subject, message,"
       " instances) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
      {&self.last_hour_, "SELECT hour FROM audit_hour ORDER BY first DESC LIMIT 1"},
      {&self.add_hour_, "INSERT INTO audit_hour VALUES(last_insert_rowid(), ?1)"},
      {&self.old_hour_,
       "SELECT first, (SELECT min(next.first) FROM audit_hour next WHERE next.first > audit_hour.first)"
       " FROM audit_hour WHERE hour < ?1 ORDER BY first LIMIT 1"},
      {&self.sizes_, "SELECT seq, length(instances) FROM audit WHERE seq >= ?1 AND seq < ?2 ORDER BY seq"},
      {&self.remove_, "DELETE FROM audit WHERE seq >= ?1 AND seq < ?2"},
      {&self.shrink_hour_, "UPDATE audit_hour SET first = ?2 WHERE first = ?1"},
      {&self.remove_hour_, "DELETE FROM audit_hour WHERE first = ?1"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<> AuditWrites::check(const AuditEntry& entry) {
  const auto fits = [](const std::string& id) { return !id.empty() && id.find('\n') == std::string::npos; };
  if (std::ranges::all_of(entry.instances, fits)) return {};
  return failure(std::make_error_code(std::errc::invalid_argument),
                 "an instance in an entry of the audit log");
}

Result<> AuditWrites::add(const AuditEntry& entry) {
  instances_.clear();
  for (const std::string& id : entry.instances) {
    if (!instances_.empty()) instances_ += '\n';
    instances_ += id;
  }
  return add(entry, entry.subject, instances_);
}

Result<> AuditWrites::add(const AuditEntry& entry, std::string_view subject, std::string_view instances) {
  add_.bind(entry.at_ms, entry.project, entry.status, std::string_view(entry.actor),
            std::string_view(entry.address), std::string_view(entry.request_id),
            std::string_view(entry.action), subject, std::string_view(entry.message), instances);
  if (auto done = add_.run(); !done) return done;
  return note_hour(entry.at_ms);
}

// Of the entry that was just added.
Result<> AuditWrites::note_hour(std::int64_t at_ms) {
  if (!hour_) {
    auto row = last_hour_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (*row) hour_ = last_hour_.integer(0);
    last_hour_.reset();
  }
  if (hour_ == at_ms / kHour) return {};
  hour_ = at_ms / kHour;
  return add_hour_.bind(*hour_).run();
}

Result<std::uint64_t> AuditWrites::delete_old(std::int64_t before_ms) {
  std::int64_t deleted = 0;
  for (Budget budget; !budget.spent();) {
    auto old = next_old(before_ms);
    if (!old) return tl::make_unexpected(std::move(old.error()));
    if (!*old) break;
    auto entries = delete_some(**old, budget);
    if (!entries) return tl::make_unexpected(std::move(entries.error()));
    deleted += *entries;
  }
  return static_cast<std::uint64_t>(deleted);
}

Result<std::optional<AuditWrites::Range>> AuditWrites::next_old(std::int64_t before_ms) {
  auto row = old_hour_.bind(before_ms / kHour).step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return std::nullopt;
  const Range range{old_hour_.integer(0), old_hour_.is_null(1) ? kForever : old_hour_.integer(1)};
  old_hour_.reset();
  return range;
}

Result<std::int64_t> AuditWrites::delete_some(const Range& range, Budget& budget) {
  auto end = end_allowed(range, budget);
  if (!end) return tl::make_unexpected(std::move(end.error()));
  if (auto done = remove_.bind(range.first, *end).run(); !done)
    return tl::make_unexpected(std::move(done.error()));
  const std::int64_t entries = db_->changes();
  hour_.reset();  // it may be the last one that goes
  auto done =
      *end == range.end ? remove_hour_.bind(range.first).run() : shrink_hour_.bind(range.first, *end).run();
  if (!done) return tl::make_unexpected(std::move(done.error()));
  return entries;
}

Result<std::int64_t> AuditWrites::end_allowed(const Range& range, Budget& budget) {
  bool some = false;
  sizes_.bind(range.first, range.end);
  while (true) {
    auto row = sizes_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return range.end;
    if (some && budget.spent()) break;
    some = true;
    budget.entries -= 1;
    budget.bytes -= sizes_.integer(1);
  }
  const std::int64_t end = sizes_.integer(0);
  sizes_.reset();
  return end;
}

Result<AuditReads> AuditReads::open(Database& db) {
  AuditReads self;
  const std::string columns =
      "SELECT seq, at_ms, project, status, actor, address, request_id, action, subject, message, instances"
      " FROM audit ";
  const std::string where = "seq BETWEEN ?1 AND ?2 AND at_ms >= ?3 AND at_ms < ?4";
  const std::string order = " ORDER BY seq LIMIT ?5";
  auto prepared = db.prepare({
      {&self.hours_, "SELECT first, hour FROM audit_hour ORDER BY first"},
      {&self.all_, columns + "WHERE " + where + order},
      {&self.of_project_,
       columns + "INDEXED BY audit_by_project WHERE " + where + " AND project = ?6" + order},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<std::vector<AuditReads::Range>> AuditReads::ranges(const AuditQuery& query) {
  const std::int64_t start = query.after < kForever ? query.after + 1 : kForever;
  if (query.from_ms <= 0 && query.until_ms == 0) return std::vector<Range>{{start, kForever}};
  std::vector<Range> found;
  bool open = false;  // the last one goes on
  while (true) {
    auto row = hours_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return found;
    const std::int64_t first = hours_.integer(0);
    const std::int64_t hour = hours_.integer(1);
    const bool wanted =
        hour >= query.from_ms / kHour && (query.until_ms == 0 || hour <= query.until_ms / kHour);
    if (open) found.back().last = first - 1;
    if (wanted && !open) found.push_back({std::max(first, start), kForever});
    if (wanted) found.back().last = kForever;
    open = wanted;
  }
}

Result<std::vector<AuditEntry>> AuditReads::read(const AuditQuery& query) {
  auto places = ranges(query);
  if (!places) return tl::make_unexpected(std::move(places.error()));
  Statement& statement = query.project ? of_project_ : all_;
  std::vector<AuditEntry> entries;
  std::size_t bytes = 0;
  for (const Range& place : *places) {
    if (entries.size() >= query.limit || bytes >= kAnswerBytes) break;
    const std::int64_t until = query.until_ms == 0 ? kForever : query.until_ms;
    const std::size_t left = query.limit - entries.size();
    if (query.project) {
      statement.bind(place.first, place.last, query.from_ms, until, left, *query.project);
    } else {
      statement.bind(place.first, place.last, query.from_ms, until, left);
    }
    while (bytes < kAnswerBytes) {
      auto row = statement.step();
      if (!row) return tl::make_unexpected(std::move(row.error()));
      if (!*row) break;
      bytes += statement.bytes(10).size();
      entries.push_back(entry_of(statement));
    }
    statement.reset();
  }
  return entries;
}

}  // namespace drover::store::sqlite
