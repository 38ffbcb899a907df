// The audit log: entries gathered into commands, and pages of it read.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/postgres/days.h"
#include "store/postgres/unit.h"
#include "store/types.h"

namespace drover::store::postgres {

// std::errc::invalid_argument if its instances could not be told apart again.
Result<> check(const AuditEntry& entry);

std::string join(const std::vector<std::string>& parts);  // by newlines

class AuditGroup {
 public:
  // `entry` stays where it is until add_to(). With its own subject and instances,
  void add(const AuditEntry& entry);
  // or with those of the task that it is about.
  void add(const AuditEntry& entry, const Task& task);

  void add_to(Unit& unit, Days& days);

  const std::set<std::int32_t>& days() const { return days_; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    const AuditEntry* entry;
    std::string subject;
    std::string instances;
  };

  std::vector<Entry> entries_;
  std::set<std::int32_t> days_;
};

// An answer ends with the entry that brings its instances to so many bytes.
inline constexpr std::size_t kAnswerBytes = 4'194'304;

// Nothing beyond number `last` (audit_watermark.h).
void add_audit_read(Unit& unit, const AuditQuery& query, std::int64_t last);
std::vector<AuditEntry> audit_of(const Rows& rows);

}  // namespace drover::store::postgres
