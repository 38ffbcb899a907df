#include "store/postgres/audit_log.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "store/postgres/keys.h"

namespace drover::store::postgres {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// What is large is measured before it is fetched: the server sends no more than an answer takes.
const std::string kColumns =
    "seq, at_ms, project, status, actor, address, request_id, action, subject, message, instances";
std::string read_sql(const char* more) {
  return "SELECT " + kColumns + " FROM (SELECT " + kColumns +
         ", sum(octet_length(instances)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING)"
         " - octet_length(instances) AS before FROM (SELECT " +
         kColumns +
         " FROM drover.audit WHERE seq > $1 AND seq <= $2 AND at_ms >= $3 AND at_ms < $4"
         " AND day >= $5 AND day <= $6" +
         more + " ORDER BY seq LIMIT $7) AS page) AS measured WHERE before < 4194304 ORDER BY seq";
}
static_assert(kAnswerBytes == 4'194'304);
const Statement kReadAll{"read_audit", read_sql("")};
const Statement kReadOfProject{"read_audit_of_project", read_sql(" AND project = $8")};

void split(std::string_view joined, std::vector<std::string>& into) {
  while (!joined.empty()) {
    const std::string_view line = joined.substr(0, joined.find('\n'));
    joined.remove_prefix(std::min(joined.size(), line.size() + 1));
    into.emplace_back(line);
  }
}

}  // namespace

Result<> check(const AuditEntry& entry) {
  const auto fits = [](const std::string& id) { return !id.empty() && id.find('\n') == std::string::npos; };
  if (std::ranges::all_of(entry.instances, fits)) return {};
  return failure(std::make_error_code(std::errc::invalid_argument),
                 "an instance in an entry of the audit log");
}

std::string join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) joined += '\n';
    joined += part;
  }
  return joined;
}

void AuditGroup::add(const AuditEntry& entry) {
  entries_.push_back({&entry, entry.subject, join(entry.instances)});
  days_.insert(day_of_time(entry.at_ms));
}

void AuditGroup::add(const AuditEntry& entry, const Task& task) {
  entries_.push_back({&entry, task.id.hex(), join(task.targets)});
  days_.insert(day_of_time(entry.at_ms));
}

void AuditGroup::add_to(Unit& unit, Days& days) {
  // Their numbers rise in their order: a command holds those that follow each other on one day.
  for (auto from = entries_.begin(); from != entries_.end();) {
    const std::int32_t day = day_of_time(from->entry->at_ms);
    const auto until = std::find_if(
        from, entries_.end(), [day](const Entry& each) { return day_of_time(each.entry->at_ms) != day; });
    std::vector<std::int64_t> at_ms;
    std::vector<std::int64_t> project;
    std::vector<std::int32_t> status;
    std::vector<std::optional<std::string_view>> texts[7];
    for (; from != until; ++from) {
      const AuditEntry& entry = *from->entry;
      at_ms.push_back(entry.at_ms);
      project.push_back(entry.project);
      status.push_back(static_cast<std::int32_t>(entry.status));
      std::size_t column = 0;
      for (const std::string* text : std::initializer_list<const std::string*>{
               &entry.actor, &entry.address, &entry.request_id, &entry.action, &from->subject, &entry.message,
               &from->instances})
        texts[column++].emplace_back(*text);
    }
    Params params;
    params.add(at_ms).add(project).add_int4s(status);
    for (const auto& text : texts) params.add_bytes(text);
    unit.add(days.add_audit(day), std::move(params));
  }
}

void add_audit_read(Unit& unit, const AuditQuery& query, std::int64_t last) {
  const std::int64_t until = query.until_ms == 0 ? kForever : query.until_ms;
  Params params;
  params.add(query.after).add(last).add(query.from_ms).add(until);
  params.add_int4(day_of_time(query.from_ms)).add_int4(day_of_time(until));
  params.add(static_cast<std::int64_t>(query.limit));
  if (query.project) params.add(*query.project);
  unit.add(query.project ? kReadOfProject : kReadAll, std::move(params));
}

std::vector<AuditEntry> audit_of(const Rows& rows) {
  std::vector<AuditEntry> entries;
  entries.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    AuditEntry& entry = entries.emplace_back();
    entry.seq = rows.integer(row, 0);
    entry.at_ms = rows.integer(row, 1);
    entry.project = rows.integer(row, 2);
    entry.status = static_cast<std::uint32_t>(rows.integer(row, 3));
    entry.actor = rows.bytes(row, 4);
    entry.address = rows.bytes(row, 5);
    entry.request_id = rows.bytes(row, 6);
    entry.action = rows.bytes(row, 7);
    entry.subject = rows.bytes(row, 8);
    entry.message = rows.bytes(row, 9);
    split(rows.bytes(row, 10), entry.instances);
  }
  return entries;
}

}  // namespace drover::store::postgres
