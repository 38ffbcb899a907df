// What is queued for the writer, and what a group of it becomes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "store/postgres/task_writes.h"
#include "store/postgres/unit.h"

namespace drover::store::postgres {

struct WriteSize {
  std::size_t rows = 0;
  std::size_t bytes = 0;  // of what is large: output, commands and targets
};

// What a group of writes is made into: one unit, which the writer begins and ends.
struct Group {
  explicit Group(Days* days) : tasks(days) {}

  std::int64_t epoch = 0;
  Unit unit;
  TaskGroup tasks;  // goes into the unit when all writes are in it
};

// What of that which every node holds in memory.
enum class Changes { kNothing, kIdentities, kInstances };

// How a write comes to know what it has done.
struct Answer {
  std::span<const Rows> rows;           // of its own commands, or of read_again()'s
  std::optional<std::int64_t> settled;  // what it kept by drover.answer(); its commands' rows are lost then
};

// One write, all or none.
class Write {
 public:
  virtual ~Write() = default;

  virtual WriteSize size() const = 0;

  // May be called again after a group that failed. A write that is refused for its own sake adds nothing,
  // keeps the reason for finish() and harms nobody.
  virtual void add_to(Group& group) = 0;

  // Whether it is a unit of its own.
  virtual bool alone() const { return false; }
  // Whether the database may work on it for long without a word.
  virtual bool may_take_long() const { return false; }
  // Whether its (only) command keeps its answer by drover.answer().
  virtual bool keeps_answer() const { return false; }
  // Commands whose rows are the answer, for when it was committed and the answer got lost.
  virtual void read_again(Unit&) const {}

  // Of a committed group: whether more has to be read before it is finished. `rows` are of its commands, then
  // of what it added to `next`.
  virtual bool wants_more(std::span<const Rows> rows, Unit& next) {
    (void)rows, (void)next;
    return false;
  }
  // The rows of its commands, or what it read after them, got lost with the connection: whether it has to
  // read, and what first, before the group is finished.
  virtual bool reads_anew(std::int64_t epoch, Unit& next) {
    (void)epoch, (void)next;
    return false;
  }
  // Whether tasks are accepted with it.
  virtual bool accepts() const { return false; }
  virtual Changes changes() const { return Changes::kNothing; }

  // Calls who waits, once. `committed`: durable, or why not.
  virtual void finish(const Result<>& committed, const Answer& answer) = 0;
};

}  // namespace drover::store::postgres
