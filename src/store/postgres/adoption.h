// Writes by which a node takes over jobs: from what was sent to it, or with the shards they belong to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "store/cluster.h"
#include "store/postgres/days.h"
#include "store/postgres/task_reads.h"
#include "store/postgres/write.h"

namespace drover::store::postgres {

// Both end with all about the tasks in question. When it got lost which these are, they are all that are
// open. `days` outlives the write.
class AdoptionWrite : public Write {
 public:
  using AdoptionDone = std::function<void(Result<Adoption>)>;

  AdoptionWrite(Days& days, AdoptionDone done) : days_(days), done_(std::move(done)) {}

  WriteSize size() const override { return {1, 0}; }
  void finish(const Result<>& committed, const Answer& answer) override;

 protected:
  void begin() { result_.reset(); }
  // The last steps.
  bool read(const OpenTasks& tasks, Unit& next);
  void take(std::span<const Rows> rows);

  ShardSet shards_;

 private:
  Days& days_;
  AdoptionDone done_;
  OpenTasks tasks_;
  std::optional<Result<Adoption>> result_;
};

// Tasks that other nodes have sent.
class TakeInbox final : public AdoptionWrite {
 public:
  using AdoptionWrite::AdoptionWrite;
  void add_to(Group& group) override;
  bool wants_more(std::span<const Rows> rows, Unit& next) override;
  bool reads_anew(std::int64_t epoch, Unit& next) override;

 private:
  bool reading_ = false;
};

// At most so many shards that are nobody's; `gained` are all that the node owns then, and the tasks all open
// ones.
class TakeShards final : public AdoptionWrite {
 public:
  TakeShards(Days& days, std::size_t most, AdoptionDone done)
      : AdoptionWrite(days, std::move(done)), most_(most) {}
  bool alone() const override { return true; }
  void add_to(Group& group) override;
  bool wants_more(std::span<const Rows> rows, Unit& next) override;
  bool reads_anew(std::int64_t epoch, Unit& next) override;

 private:
  enum class Step { kTaken, kListed, kRead };

  std::size_t most_;
  Step step_ = Step::kTaken;
};

}  // namespace drover::store::postgres
