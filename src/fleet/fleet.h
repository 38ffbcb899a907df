// All instances and the links to them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fleet/errc.h"
#include "fleet/metrics.h"
#include "fleet/phone.h"
#include "fleet/try_queue.h"
#include "store/cluster.h"
#include "store/store.h"

namespace drover::fleet {

// What the fleet tells the room above, on its loop. Phones are valid during the call.
class FleetEvents {
 public:
  // The phone's slot was given to it; no phone had it, or the one that had it was removed.
  virtual void on_phone_added(Phone& phone) = 0;
  virtual void on_link_up(Phone& phone) = 0;
  // A try ended because the phone refuses our key.
  virtual void on_refused(Phone& phone) = 0;
  // Its link is about to be cut by us: shells that run on it have to be destroyed now.
  virtual void on_link_cut(Phone& phone) = 0;
  // It is about to go, its link having been cut.
  virtual void on_phone_removed(Phone& phone) = 0;

 protected:
  ~FleetEvents() = default;
};

// Threads: what is marked "any thread" may be called from anywhere and answers on the fleet's loop; all else
// belongs to that loop.
class Fleet final : private PhoneEvents {
 public:
  Fleet(Loop& loop, store::Store& store, std::shared_ptr<const adb::KeyRing> keys,
        prometheus::Registry& registry);
  ~Fleet();

  // Before the loop runs. `events` outlives the fleet's work.
  void set_events(FleetEvents& events) { events_ = &events; }

  // Takes the instances that the store knows, and begins to connect. An address that cannot be read is logged
  // and its instance left out.
  void start(std::vector<store::Instance> instances);
  // Ends all links. Nothing happens afterwards.
  void stop();

  // With several nodes: keeps links to the phones of these shards, and no others; to all until the first
  // call. No shell may be running on one that goes.
  void serve(const store::ShardSet& shards);
  bool serves(const Phone& phone) const { return shards_[phone.shard()]; }
  // Other nodes ask for the states of this one's links, and have such of their own.
  void set_alone(bool alone);
  // As the store knows instances now, whichever node changed them.
  void apply(store::InstanceChanges changes);

  // Drops the link of a phone that answers but does not work, soon: may be called from within its events.
  // Nothing happens if it has gone by then. No shell may be running on it.
  void drop(Phone& phone, std::string why);

  Phone* find(std::int64_t project, std::string_view id);
  // Every phone of the project, in the order of their ids. Valid until one is added or removed.
  const std::vector<Phone*>& phones(std::int64_t project);

  template <typename T = void>
  using Done = std::function<void(Result<T>)>;

  // Any thread. Adds instances, or gives known ones a new address and, where some are given, other labels:
  // stored first, then connected. All or none: kBadId, kBadAddress and kBadLabels name the first that is
  // wrong.
  void put(std::vector<store::Instance> instances, Done<> done);
  // Any thread. kNotFound if there is none. What waits for it is told; a command that runs on it is let go.
  void remove(std::int64_t project, std::string id, Done<> done);
  // Any thread. Fails, like look_up(), when the store cannot say how phones of other nodes are.
  void list(std::int64_t project, Done<std::vector<PhoneView>> done);
  // Any thread. One answer an id, in order; nothing where there is no such instance.
  void look_up(std::int64_t project, std::vector<std::string> ids,
               Done<std::vector<std::optional<LinkState>>> done);
  // Any thread. The same of their labels.
  void labels(std::int64_t project, std::vector<std::string> ids,
              std::function<void(std::vector<std::optional<store::Labels>>)> done);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Project {
    std::unordered_map<std::string, Phone*, Hash, std::equal_to<>> by_id;
    std::vector<Phone*> in_order;
    bool sorted = true;  // in_order is put into order when it is next asked for
  };

  void on_link_changed(Phone& phone, LinkState before) override;
  void on_wants_try(Phone& phone) override;
  void on_try_over(Phone& phone) override;
  void on_refused(Phone& phone) override;
  void begin_tries();
  void tell(const Phone& phone);
  void tell_all();
  using States = std::unordered_map<std::int64_t, store::PhoneState>;  // by the instance's number
  // Calls `done` with what other nodes tell of these of their phones.
  void read_others(std::vector<std::int64_t> instances, std::function<void(const Result<States>&)> done);
  void add(store::Instance instance);
  void move(Phone& phone, std::string address_text, Address address);
  void erase(Phone& phone);

  Loop& loop_;
  store::Store& store_;
  std::shared_ptr<const adb::KeyRing> keys_;
  Metrics metrics_;
  FleetEvents* events_ = nullptr;

  std::vector<std::unique_ptr<Phone>> slots_;  // null where a phone was removed
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<std::int64_t, Project> projects_;
  TryQueue waiting_;  // may name phones that are gone
  bool stopped_ = false;

  store::Cluster* const cluster_;  // null: the only node
  store::ShardSet shards_ = store::ShardSet().set();
  bool alone_ = true;
  std::set<std::uint32_t> to_tell_;  // slots of phones whose links have changed
  bool telling_ = false;             // some are on their way
  Timer tell_timer_;
};

}  // namespace drover::fleet
