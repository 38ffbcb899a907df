// What must outlive the process. One interface for every engine; sqlite/ holds the first.
//
// Writes are queued and committed together (group commit): a commit holds whatever waited while the one
// before it was on its way to the disk, so that the cost of a sync is shared by all who wait. What a job
// costs: nothing of its own when accepted (the task's row lists its targets), a row of two integers when it
// begins, and one row when it ends.
//
// Threads: every function may be called from any thread. Callbacks run on a thread of the store's and must be
// short (post to a loop); after close() they run at once on the caller's. Callbacks of writes come in the
// order of the calls.
//
// Failures: kUnavailable for all that may pass (a full disk), and then the store goes on serving. A write
// whose content is at fault (a task or an outcome that is stored already, a target with a newline) fails with
// std::errc::invalid_argument; those that were to share its commit do not suffer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/shards.h"
#include "store/types.h"

namespace drover::store {

class Cluster;

// Called with ok() after the commit is durable, or with why it failed, in which case nothing of it is stored.
template <typename T = void>
using Done = std::function<void(Result<T>)>;

// Changes to tasks that belong together: all are stored, or none.
struct WriteBatch {
  struct Begun {
    JobKey job;
    std::int64_t at_ms = 0;
  };
  struct Ended {
    JobKey job;
    JobOutcome outcome;
    Id id = {};  // of the task; 0: it was accepted by this very process
  };
  struct Finished {
    std::int64_t task = 0;
    std::int64_t at_ms = 0;
    Id id = {};  // likewise
  };

  std::vector<Task> accepted;
  std::vector<Begun> begun;  // durable before the command leaves for the phone
  // Jobs whose beginning is taken back, because their commands have not left and will not.
  std::vector<JobKey> unbegun;
  std::vector<Ended> ended;
  // Refused while any of a task's jobs has no outcome here or in the store.
  std::vector<Finished> finished;  // tasks whose last job has ended, here or before
  // Of the tasks that are accepted here, in their order; an entry without a task may stand anywhere.
  std::vector<AuditEntry> audit;

  // With several nodes only (cluster.h).
  struct Elsewhere {
    std::int64_t task = 0;
    ShardSet shards;
  };
  std::vector<Elsewhere> elsewhere;  // accepted tasks that have jobs in shards of other nodes
  // Tasks whose jobs on this node have all ended: each finishes if those on the others have, too.
  std::vector<Finished> parted;

  bool empty() const {
    return accepted.empty() && begun.empty() && unbegun.empty() && ended.empty() && finished.empty() &&
           audit.empty() && parted.empty();
  }
};

// A task and what is known of its jobs; `outcomes[i]` belongs to `task.targets[i]`. Outcomes are without
// `out` and `err`, which read_job brings.
struct TaskRecord {
  Task task;
  std::vector<std::optional<JobOutcome>> outcomes;
  // Jobs that have begun and have no outcome, from an engine for several nodes: there nobody has it all in
  // memory.
  std::vector<std::uint32_t> begun = {};
};

// What a stopped process left open.
struct Recovery {
  std::int64_t next_task = 1;  // larger than every task number ever used
  // Tasks that were not reported as finished, oldest first. Where every job has an outcome, the report is
  // what is missing.
  std::vector<TaskRecord> open;
  std::vector<WriteBatch::Begun> begun;  // jobs of those that had begun and have no outcome
  std::int64_t newest_ms = 0;            // when the newest task in the store was accepted; 0: there is none
};

struct Retention {
  std::int64_t finished_before_ms = 0;  // tasks that finished before this go
  std::uint64_t max_jobs = 0;  // beyond this many stored jobs the oldest finished tasks go; 0: no such limit
  std::int64_t audit_before_ms = 0;  // entries of the audit log go by the hour, when all of it is older
};

class Store {
 public:
  virtual ~Store() = default;

  // The batch comes back, also when the commit failed, so that who wrote it can publish it or try again.
  using WriteDone = std::function<void(Result<>, WriteBatch)>;
  virtual void write(WriteBatch batch, WriteDone done) = 0;

  // Nothing: there is no such task (or job).
  virtual void read_task(const Id& id, Done<std::optional<TaskRecord>> done) = 0;
  // Any job's outcome with its whole output. Nothing also while it has not ended.
  virtual void read_job(const Id& job, Done<std::optional<JobOutcome>> done) = 0;
  // Newest first, at most `limit`, with numbers below `before` (0: from the newest). Without targets'
  // outcomes.
  struct TaskSummary {
    Task task;  // `targets` left empty
    std::uint32_t jobs = 0;
    // Of them stored as ended, by state.
    std::uint32_t succeeded = 0;
    std::uint32_t failed = 0;
    std::uint32_t lost = 0;
    std::uint32_t cancelled = 0;

    std::uint32_t ended() const { return succeeded + failed + lost + cancelled; }
  };
  virtual void list_tasks(std::int64_t project, std::int64_t before, std::uint32_t limit,
                          Done<std::vector<TaskSummary>> done) = 0;

  // Deletes a small step of what is too old: at most some 5,000 jobs, or entries of the audit log. Gives the
  // number of what was deleted; 0: done. A task that takes several steps is gone for readers after the first.
  virtual void delete_old(const Retention& retention, Done<std::uint64_t> done) = 0;

  // Small things. kExists if the name is taken, kNotFound if it is not there.
  virtual void add_project(Project project, Done<Project> done) = 0;
  virtual void add_user(User user, std::vector<Grant> grants,
                        Done<User> done) = 0;  // `grants` without its number
  virtual void change_identity(IdentityChange change, Done<> done) = 0;
  // Adds new instances and gives known ones (by project and id) their new address and labels; all or none.
  // Gives them back with their numbers, the times at which they were first added, and the labels in force.
  virtual void put_instances(std::vector<Instance> instances, Done<std::vector<Instance>> done) = 0;
  virtual void remove_instance(std::int64_t seq, Done<> done) = 0;

  // The audit log: entries are added and read, never changed; only delete_old() takes them away.
  virtual void add_audit(std::vector<AuditEntry> entries, Done<> done) = 0;
  // Oldest first. Fewer than `limit` also where they are large: the end is where nothing comes. Who goes on
  // after the last number gets each entry once, whoever writes.
  virtual void read_audit(const AuditQuery& query, Done<std::vector<AuditEntry>> done) = 0;

  // Blocking, so not from a callback; used at start, before anything is served.
  virtual Result<IdentityRows> identity_rows() = 0;
  virtual Result<std::vector<Instance>> instances() = 0;
  virtual Result<Recovery> recover() = 0;

  // Any thread. False: as far as is known, what is written now would not be stored, for want of the database.
  virtual bool takes_writes() const { return true; }

  // Null for an engine that one process has for itself.
  virtual Cluster* cluster() { return nullptr; }

  // Commits what is queued, calls what is owed, and ends the threads; not from a callback. Later calls fail
  // with kClosed. Idempotent.
  virtual void close() = 0;
};

}  // namespace drover::store
