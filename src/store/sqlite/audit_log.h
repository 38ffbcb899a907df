// The audit log. The changing half belongs to the writer's thread, the reading half to the reader's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "store/sqlite/database.h"
#include "store/types.h"

namespace drover::store::sqlite {

class AuditWrites {
 public:
  // One step of delete_old() ends at the first of these, but deletes one entry at least.
  static constexpr std::int64_t kStepEntries = 5'000;
  static constexpr std::int64_t kStepBytes = 16'777'216;  // of instances

  static Result<AuditWrites> open(Database& db);

  // std::errc::invalid_argument if its instances could not be told apart again.
  static Result<> check(const AuditEntry& entry);

  // `entry` is fine by check().
  Result<> add(const AuditEntry& entry);
  // With these instead of its own; `instances` are joined by newlines.
  Result<> add(const AuditEntry& entry, std::string_view subject, std::string_view instances);

  // A step: the number of entries deleted, 0: done. See Retention.
  Result<std::uint64_t> delete_old(std::int64_t before_ms);

  // To be called after a rollback.
  void rolled_back() { hour_.reset(); }

 private:
  struct Budget {
    std::int64_t entries = kStepEntries;
    std::int64_t bytes = kStepBytes;
    bool spent() const { return entries <= 0 || bytes <= 0; }
  };
  // Entries from `first` on, before `end`.
  struct Range {
    std::int64_t first = 0;
    std::int64_t end = 0;
  };

  Result<> note_hour(std::int64_t at_ms);
  // The first hour that has to go, if any has to.
  Result<std::optional<Range>> next_old(std::int64_t before_ms);
  // Deletes what the budget allows; gives the number of entries.
  Result<std::int64_t> delete_some(const Range& range, Budget& budget);
  // The first entry that the budget does not allow, or the end.
  Result<std::int64_t> end_allowed(const Range& range, Budget& budget);

  Database* db_ = nullptr;
  std::optional<std::int64_t> hour_;  // of the last row of audit_hour; nothing: to be read
  std::string instances_;             // kept for its memory
  Statement add_;
  Statement last_hour_;
  Statement add_hour_;
  Statement old_hour_;
  Statement sizes_;
  Statement remove_;
  Statement shrink_hour_;
  Statement remove_hour_;
};

class AuditReads {
 public:
  // An answer ends with the entry that brings its instances to so many bytes.
  static constexpr std::size_t kAnswerBytes = 4'194'304;

  static Result<AuditReads> open(Database& db);

  // See Store.
  Result<std::vector<AuditEntry>> read(const AuditQuery& query);

 private:
  struct Range {
    std::int64_t first = 0;
    std::int64_t last = 0;
  };

  // Where the entries of that time are, and in part some others.
  Result<std::vector<Range>> ranges(const AuditQuery& query);

  Statement hours_;
  Statement all_;
  Statement of_project_;
};

}  // namespace drover::store::sqlite
