// Commits what is queued, together: while one unit is on its way, all that comes waits for the next.
//
// Each unit has a number, and begins with drover.fence(), which holds the node's lease until the end of the
// transaction and lets the database take a number once. When a connection breaks before the answer, the unit
// may have been stored, or may even be stored later by a server process that has not noticed. Then settle()
// decides it for good on the next connection, by taking the number in its stead: if it was taken, the unit
// was stored, and its writes are answered so; if not, it never will be, and its writes are sent again.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "store/metrics.h"
#include "store/postgres/connection.h"
#include "store/postgres/days.h"
#include "store/postgres/shard_map.h"
#include "store/postgres/write.h"

namespace drover::store::postgres {

// What the writer tells the store, on the loop.
class WriterEvents {
 public:
  // Once: the database says that the lease is gone.
  virtual void on_fenced() = 0;
  // The map is older than the database's: calls `renewed` when it was read again, or that failed.
  virtual void on_old_map(std::function<void()> renewed) = 0;
  // Something was stored that other nodes want to know of.
  virtual void on_told_others() = 0;
  // Tasks have ended of which only this node had jobs.
  virtual void on_ended_tasks() = 0;
  // A write that takes what was sent to this node, to go with a unit that accepts tasks.
  virtual std::unique_ptr<Write> take_inbox() = 0;

 protected:
  ~WriterEvents() = default;
};

// Belongs to its loop, but for submit().
class Writer {
 public:
  // A unit takes in no further write when it has this much, so that nobody waits for a giant's commit.
  static constexpr std::size_t kMaxRows = 20'000;
  static constexpr std::size_t kMaxBytes = 16'777'216;
  // How long drain() waits for a connection that would tell what became of the last unit.
  static constexpr Millis kDrainPatience{2'000};

  // All outlive it.
  Writer(Loop& loop, Connection& connection, Days& days, const ShardMap& map, std::int64_t epoch,
         const Metrics& metrics, WriterEvents& events);

  // Any thread. Writes are finished on the loop, in the order in which they came; except that while the
  // connection is down new ones fail with kUnavailable at once, though the fate of older ones is not known.
  void submit(std::unique_ptr<Write> write);

  // For how long nothing of what is to be stored has been, or the connection is lost; 0: all is well.
  Millis unanswered() const;

  // Any thread. The database refused the last write, a moment ago, for what may pass.
  bool refused_lately() const;

  void came_up();
  void went_down();
  // The lease is gone: all writes fail with kFenced from now on.
  void fence();
  // Calls `drained` when nothing is queued or under way.
  void drain(std::function<void()> drained);

 private:
  using Answers = Result<std::vector<Rows>>;

  enum class Phase {
    kIdle,
    kRunning,    // a unit is under way
    kUnsettled,  // a unit's fate is to be found out
    kReading,    // a unit is stored, and its writes read what they need beside its rows
  };

  void pump();
  void take_queued();
  bool take_group();
  void send_group();
  void make_days(std::vector<std::int32_t> days, std::vector<std::int32_t> audit_days);
  void run_group();
  bool changes(Changes what) const;  // a write of the group does
  void on_answer(Answers answers);
  void read_more(std::span<const Rows> rows, std::size_t first);
  void read_on(std::size_t of, Unit next);
  void read_anew();
  bool may_try_again(const Error& error);
  void settle();
  void on_settled(const Answers& answers);
  void read_again(std::vector<std::int64_t> kept);
  void finish_stored(const std::vector<std::int64_t>& kept, std::vector<Rows> again,
                     const std::vector<std::pair<std::size_t, std::size_t>>& places);
  void finish_settled(const std::vector<std::int64_t>& kept, const std::vector<Rows>& again,
                      const std::vector<std::pair<std::size_t, std::size_t>>& places);
  void finish_group(const Result<>& committed, const std::vector<Rows>& rows);
  void finish_failed(const Error& error);
  void fail_waiting(const Error& error);
  void report(const Result<>& committed);
  bool is_past() const;
  bool works_on() const;
  void waits();
  void heard();
  void check_drained();

  Loop& loop_;
  Connection& connection_;
  Days& days_;
  const std::int64_t epoch_;
  Metrics metrics_;
  const ShardMap& map_;
  WriterEvents& events_;
  std::function<void()> drained_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Write>> queued_;  // guarded by mutex_
  bool woken_ = false;                          // likewise: a pump() is posted

  std::deque<std::unique_ptr<Write>> waiting_;
  std::vector<std::unique_ptr<Write>> group_;
  Group made_;                                               // of group_
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // of its writes' commands in the unit
  Phase phase_ = Phase::kIdle;
  std::int64_t number_ = 0;            // of the last unit
  std::size_t singly_ = 0;             // so many of waiting_ are sent alone, because one of them is at fault
  bool days_made_again_ = false;       // for group_
  int map_renewals_ = 0;               // likewise
  int sent_again_ = 0;                 // likewise
  int reads_ = 0;                      // likewise: so many were refused
  bool with_inbox_ = false;            // likewise: its first write is take_inbox()'s
  bool settling_ = false;              // a question is under way
  std::vector<Rows> rows_;             // of a unit that is stored
  std::function<void()> when_read_;    // of kReading
  std::optional<std::size_t> unread_;  // likewise: this write is to read anew, when there is a connection
  bool fenced_ = false;
  bool failing_ = false;  // the last unit failed for what may pass
  SteadyTime sent_at_;
  std::optional<SteadyTime> waits_since_;
  SteadyTime ended_at_{};  // of the last unit, stored or not
  std::atomic<SteadyTime> refused_until_ = SteadyTime{};
  Timer settle_timer_;
  Timer drain_timer_;
};

}  // namespace drover::store::postgres
