// Several nodes that share a database are one system: what a store does for that, and what it tells its node.
//
// Instances are dealt out over shards, and a shard belongs to one node at a time: that one keeps the links to
// its phones, begins its jobs and stores their ends. Who accepts a task tells the owners of the other shards
// in the very commit that stores it. A shard changes hands only when its owner gives it away, or when the
// owner's lease has ended: then its row is deleted, which waits for commits of its that are under way and
// lets none follow. So whoever has a shard is alone with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/shards.h"
#include "store/store.h"
#include "store/types.h"

namespace drover::store {

// Open tasks of which jobs may have come to this node.
struct Adoption {
  ShardSet gained;                       // this node's from now on
  std::vector<TaskRecord> tasks;         // oldest first
  std::vector<WriteBatch::Begun> begun;  // jobs of these that had begun and have no outcome
  std::vector<std::int64_t> cancelled;   // those of them that are to be cancelled, in order
};

// How an instance's owner is linked to it.
struct PhoneState {
  std::int64_t instance = 0;
  std::int64_t since_ms = 0;
  std::uint8_t state = 0;  // a fleet::LinkState
  std::string why;
  std::string model;
};

struct InstanceName {
  std::int64_t project = 0;
  std::string id;
};

// How instances are now, whoever changed them and however often.
struct InstanceChanges {
  bool all = false;             // what is not in `there` has been removed; else all others are as they were
  std::vector<Instance> there;  // were added or changed
  std::vector<InstanceName> removed;
};

// What has changed of that which every node holds in memory.
struct DirectoryChange {
  std::optional<IdentityRows> identity;  // all of it; nothing: it is as it was
  std::optional<InstanceChanges> instances;
};

// What becomes of shards, on the store's thread; to be short (post to a loop). What takes longer calls
// `done`, from any thread.
class ShardEvents {
 public:
  using Applied = std::function<void()>;

  // In the order in which they have to be carried out, answers of writes included.
  virtual void on_adopt(Adoption adoption) = 0;
  // Whether another node may accept tasks for this one's phones. Until on_alone(false) is applied none does.
  virtual void on_alone(bool alone, Applied done) = 0;
  // Others are to have these shards, and no others any more: begin nothing more in them, and say
  // shards_closed() of each when nothing of it runs or is unstored.
  virtual void on_shards_wanted(const ShardSet& shards) = 0;
  // End what has not begun of this task. `done` when that is stored.
  virtual void on_cancel(std::int64_t task, Applied done) = 0;
  // Of those that are watched.
  virtual void on_finished(std::vector<std::int64_t> tasks) = 0;
  // Asked for with each look at the others: projects of which no more jobs are to come here; 0: of none.
  virtual std::vector<std::int64_t> full() = 0;

 protected:
  ~ShardEvents() = default;
};

// Likewise: some node has changed something; `done` when it counts here. The next comes after that.
using OnDirectory = std::function<void(DirectoryChange change, std::function<void()> done)>;

// Any thread, but for join(). Callbacks as those of the store.
class Cluster {
 public:
  virtual ~Cluster() = default;

  // Blocking, before join(). The mark of the nodes that serve; `mark` if there are none.
  virtual Result<std::string> agree_on_mark(const std::string& mark) = 0;

  struct Joined {
    std::int64_t newest_ms = 0;  // when the newest task in the store was accepted; 0: there is none
    std::size_t shards = 0;      // this node's
  };
  // Blocking, once, last before HTTP is served: every node knows of this one, and the shards that were to be
  // had are adopted, when it returns. Events come from then on, and before, until close().
  virtual Result<Joined> join(ShardEvents& events, OnDirectory on_directory) = 0;

  // Numbers for so many tasks, rising, and larger than those of all tasks whose acceptance was answered
  // before.
  virtual void number_tasks(std::uint32_t count, Done<std::vector<std::int64_t>> done) = 0;

  // Of those that others want, or after leave(): nothing of them is under way here any more.
  virtual void shards_closed(const ShardSet& shards) = 0;
  // A planned stop: shards go to the other nodes as they are closed, and none is taken.
  virtual void leave() = 0;

  // Ends on every node what has not begun of this task. kNotFound: it is not open.
  virtual void cancel_task(std::int64_t task, Done<> done) = 0;
  // on_finished() will name it once, soon if it has finished.
  virtual void watch(std::int64_t task) = 0;
  virtual void unwatch(std::int64_t task) = 0;

  // False: the lease may be over, so that another node may have its shards. Nothing is begun then.
  virtual bool trusted() const = 0;
  // Nobody else reads them at the moment.
  virtual bool alone() const = 0;
  // Of other nodes, which said so a second ago at most.
  struct FullShards {
    ShardSet all;      // no more jobs are to come there
    ShardSet project;  // none of this project
  };
  virtual FullShards full_shards(std::int64_t project) const = 0;

  // Each instance once. Nothing is stored of those that have been removed.
  virtual void put_phone_states(std::vector<PhoneState> states, Done<> done) = 0;
  // Of these instances, in any order; none of those of which nothing was told.
  virtual void read_phone_states(std::vector<std::int64_t> instances, Done<std::vector<PhoneState>> done) = 0;
};

}  // namespace drover::store
