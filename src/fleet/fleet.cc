#include "fleet/fleet.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/loop.h"

namespace drover::fleet {
namespace {

constexpr Millis kTellPause{1'000};
// After a start all links change at once. They are told in parts, with room between for what others store.
constexpr std::size_t kTellPart = 2'000;
constexpr Millis kPartPause{100};

Result<> check(const store::Instance& instance) {
  if (!is_instance_id(instance.id)) return failure(Errc::kBadId, instance.id.substr(0, 64));
  if (auto address = parse_address(instance.address); !address)
    return Failure(Error{address.error().code, instance.id + ": " + address.error().message});
  if (instance.labels && !are_labels(*instance.labels)) return failure(Errc::kBadLabels, instance.id);
  return {};
}

LinkState state_of(const store::PhoneState& told) {
  return told.state < kLinkStates ? static_cast<LinkState>(told.state) : LinkState::kOffline;
}

}  // namespace

Fleet::Fleet(Loop& loop, store::Store& store, std::shared_ptr<const adb::KeyRing> keys,
             prometheus::Registry& registry)
    : loop_(loop),
      store_(store),
      keys_(std::move(keys)),
      metrics_(registry),
      cluster_(store.cluster()),
      tell_timer_([this] { tell_all(); }) {
  // The first are given by serve().
  if (cluster_ != nullptr) shards_.reset();
}

Fleet::~Fleet() = default;

void Fleet::start(std::vector<store::Instance> instances) {
  for (store::Instance& instance : instances) add(std::move(instance));
  begin_tries();
}

void Fleet::stop() {
  stopped_ = true;
  waiting_.clear();
  tell_timer_.cancel();
  for (auto& phone : slots_) phone.reset();
  projects_.clear();
}

void Fleet::serve(const store::ShardSet& shards) {
  const store::ShardSet before = std::exchange(shards_, shards);
  for (const auto& phone : slots_) {
    if (phone == nullptr || before[phone->shard()] == shards[phone->shard()]) continue;
    const auto gauge = metrics_.links[static_cast<std::size_t>(phone->state())];
    if (shards[phone->shard()]) {
      gauge->Increment();
      waiting_.push(phone->slot(), false);
      tell(*phone);
    } else {
      gauge->Decrement();
      to_tell_.erase(phone->slot());
      phone->rest();
    }
  }
  begin_tries();
}

void Fleet::set_alone(bool alone) {
  if (std::exchange(alone_, alone) == alone || alone) return;
  for (const auto& phone : slots_)
    if (phone != nullptr && serves(*phone)) tell(*phone);
}

void Fleet::apply(store::InstanceChanges changes) {
  if (stopped_) return;
  if (changes.all) {
    std::unordered_set<std::int64_t> there;
    for (const store::Instance& instance : changes.there) there.insert(instance.seq);
    for (std::size_t slot = 0; slot < slots_.size(); ++slot)
      if (slots_[slot] != nullptr && !there.contains(slots_[slot]->seq())) erase(*slots_[slot]);
  }
  for (const store::InstanceName& name : changes.removed)
    if (Phone* phone = find(name.project, name.id)) erase(*phone);
  for (store::Instance& instance : changes.there) add(std::move(instance));
  begin_tries();
}

void Fleet::tell(const Phone& phone) {
  if (cluster_ == nullptr || alone_ || !serves(phone)) return;
  to_tell_.insert(phone.slot());
  if (!telling_ && !tell_timer_.armed()) loop_.schedule(tell_timer_, kTellPause);
}

void Fleet::tell_all() {
  if (alone_) return to_tell_.clear();
  std::vector<store::PhoneState> states;
  std::vector<std::uint32_t> slots;
  while (!to_tell_.empty() && states.size() < kTellPart) {
    const std::uint32_t slot = to_tell_.extract(to_tell_.begin()).value();
    const Phone* phone = slots_[slot].get();
    if (phone == nullptr || !serves(*phone)) continue;
    slots.push_back(slot);
    states.push_back({phone->seq(), phone->since_ms(), static_cast<std::uint8_t>(phone->state()),
                      phone->why(), phone->model()});
  }
  if (states.empty()) return;
  telling_ = true;
  cluster_->put_phone_states(std::move(states), [this, slots = std::move(slots)](const Result<>& stored) {
    loop_.post([this, slots, stored = stored.has_value()] {
      telling_ = false;
      if (stopped_) return;
      const bool more = stored && to_tell_.size() >= kTellPart;
      if (!stored) to_tell_.insert(slots.begin(), slots.end());
      if (!to_tell_.empty()) loop_.schedule(tell_timer_, more ? kPartPause : kTellPause);
    });
  });
}

void Fleet::read_others(std::vector<std::int64_t> instances,
                        std::function<void(const Result<States>&)> done) {
  if (instances.empty() || cluster_ == nullptr || alone_) return done(States());
  cluster_->read_phone_states(std::move(instances),
                              [this, done = std::move(done)](Result<std::vector<store::PhoneState>> read) {
                                loop_.post([done, read = std::move(read)]() mutable {
                                  if (!read) return done(Failure(std::move(read.error())));
                                  States states;
                                  for (store::PhoneState& state : *read)
                                    states.emplace(state.instance, std::move(state));
                                  done(states);
                                });
                              });
}

void Fleet::drop(Phone& phone, std::string why) {
  loop_.post([this, slot = phone.slot(), seq = phone.seq(), why = std::move(why)]() mutable {
    if (slot < slots_.size() && slots_[slot] != nullptr && slots_[slot]->seq() == seq)
      slots_[slot]->drop(std::move(why));
  });
}

Phone* Fleet::find(std::int64_t project, std::string_view id) {
  const auto phones = projects_.find(project);
  if (phones == projects_.end()) return nullptr;
  const auto it = phones->second.by_id.find(id);
  return it == phones->second.by_id.end() ? nullptr : it->second;
}

const std::vector<Phone*>& Fleet::phones(std::int64_t project) {
  static const std::vector<Phone*> none;
  const auto it = projects_.find(project);
  if (it == projects_.end()) return none;
  std::vector<Phone*>& phones = it->second.in_order;
  if (!std::exchange(it->second.sorted, true)) {
    std::sort(phones.begin(), phones.end(), [](const Phone* a, const Phone* b) { return a->id() < b->id(); });
  }
  return phones;
}

void Fleet::put(std::vector<store::Instance> instances, Done<> done) {
  for (const store::Instance& instance : instances) {
    if (auto fine = check(instance); !fine) {
      return loop_.post([done = std::move(done), fine = std::move(fine)] { done(fine); });
    }
  }
  store_.put_instances(std::move(instances),
                       [this, done = std::move(done)](Result<std::vector<store::Instance>> stored) mutable {
                         loop_.post([this, done = std::move(done), stored = std::move(stored)]() mutable {
                           if (!stored) return done(Failure(std::move(stored.error())));
                           if (!stopped_) {
                             for (store::Instance& instance : *stored) add(std::move(instance));
                             begin_tries();
                           }
                           done({});
                         });
                       });
}

void Fleet::remove(std::int64_t project, std::string id, Done<> done) {
  loop_.post([this, project, id = std::move(id), done = std::move(done)]() mutable {
    Phone* phone = find(project, id);
    if (phone == nullptr) return done(failure(Errc::kNotFound, id.substr(0, 64)));
    store_.remove_instance(phone->seq(), [this, seq = phone->seq(), project, id,
                                          done = std::move(done)](Result<> removed) mutable {
      loop_.post([this, seq, project, id, done = std::move(done), removed = std::move(removed)] {
        // Another node may have added it anew.
        Phone* gone = find(project, id);
        if (removed && gone != nullptr && gone->seq() == seq) erase(*gone);
        done(removed);
      });
    });
  });
}

void Fleet::list(std::int64_t project, Done<std::vector<PhoneView>> done) {
  loop_.post([this, project, done = std::move(done)] {
    std::vector<std::int64_t> elsewhere;
    for (const Phone* phone : phones(project))
      if (!serves(*phone)) elsewhere.push_back(phone->seq());
    read_others(std::move(elsewhere), [this, project, done](const Result<States>& others) {
      if (!others) return done(Failure(others.error()));
      std::vector<PhoneView> views;
      views.reserve(phones(project).size());
      for (const Phone* phone : phones(project)) {
        PhoneView& view = views.emplace_back(phone->view());
        const auto other = serves(*phone) ? others->end() : others->find(phone->seq());
        if (other == others->end()) continue;
        view.state = state_of(other->second);
        view.since_ms = other->second.since_ms;
        view.why = other->second.why;
        view.model = other->second.model;
      }
      done(std::move(views));
    });
  });
}

void Fleet::look_up(std::int64_t project, std::vector<std::string> ids,
                    Done<std::vector<std::optional<LinkState>>> done) {
  loop_.post([this, project, ids = std::move(ids), done = std::move(done)] {
    std::vector<std::int64_t> elsewhere;
    for (const std::string& id : ids)
      if (const Phone* phone = find(project, id); phone != nullptr && !serves(*phone))
        elsewhere.push_back(phone->seq());
    read_others(std::move(elsewhere), [this, project, ids, done](const Result<States>& others) {
      if (!others) return done(Failure(others.error()));
      std::vector<std::optional<LinkState>> states;
      states.reserve(ids.size());
      for (const std::string& id : ids) {
        const Phone* phone = find(project, id);
        auto& state = states.emplace_back();
        if (phone == nullptr) continue;
        const auto other = serves(*phone) ? others->end() : others->find(phone->seq());
        state = other == others->end() ? phone->state() : state_of(other->second);
      }
      done(std::move(states));
    });
  });
}

void Fleet::labels(std::int64_t project, std::vector<std::string> ids,
                   std::function<void(std::vector<std::optional<store::Labels>>)> done) {
  loop_.post([this, project, ids = std::move(ids), done = std::move(done)] {
    std::vector<std::optional<store::Labels>> labels;
    labels.reserve(ids.size());
    for (const std::string& id : ids) {
      const Phone* phone = find(project, id);
      labels.push_back(phone == nullptr ? std::nullopt : std::optional(phone->labels()));
    }
    done(std::move(labels));
  });
}

void Fleet::add(store::Instance instance) {
  auto address = parse_address(instance.address);
  if (!address) {
    spdlog::error("instance {} is left out: {}", instance.id, address.error().message);
    return;
  }
  Phone* known = find(instance.project, instance.id);
  if (known != nullptr && known->seq() != instance.seq) {
    erase(*known);  // it was removed, and added anew, by another node
    known = nullptr;
  }
  if (known != nullptr) {
    if (instance.labels) known->set_labels(*std::move(instance.labels));
    if (known->address() != instance.address) move(*known, std::move(instance.address), std::move(*address));
    return;
  }
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  PhoneEvents& events = *this;
  slots_[slot] = std::make_unique<Phone>(loop_, std::move(instance), std::move(*address), slot, events);
  Phone& phone = *slots_[slot];
  Project& home = projects_[phone.project()];
  home.by_id.emplace(phone.id(), &phone);
  home.in_order.push_back(&phone);
  home.sorted = false;
  if (serves(phone)) metrics_.links[static_cast<std::size_t>(phone.state())]->Increment();
  events_->on_phone_added(phone);
  if (serves(phone)) waiting_.push(slot, false);
}

// What waits for the phone goes on waiting for it at its new address.
void Fleet::move(Phone& phone, std::string address_text, Address address) {
  events_->on_link_cut(phone);
  phone.move(std::move(address_text), std::move(address));
  if (serves(phone)) waiting_.push(phone.slot(), false);
}

void Fleet::erase(Phone& phone) {
  const std::uint32_t slot = phone.slot();
  events_->on_link_cut(phone);
  events_->on_phone_removed(phone);
  if (serves(phone)) metrics_.links[static_cast<std::size_t>(phone.state())]->Decrement();
  Project& home = projects_[phone.project()];
  home.by_id.erase(phone.id());
  std::erase(home.in_order, &phone);
  const std::unique_ptr<Phone> gone = std::move(slots_[slot]);
  free_slots_.push_back(slot);
  gone->close();
}

void Fleet::on_link_changed(Phone& phone, LinkState before) {
  if (!serves(phone)) return;
  metrics_.links[static_cast<std::size_t>(before)]->Decrement();
  metrics_.links[static_cast<std::size_t>(phone.state())]->Increment();
  tell(phone);
  if (phone.state() == LinkState::kOnline) {
    spdlog::debug("instance {} is online", phone.id());
    events_->on_link_up(phone);
  } else {
    spdlog::debug("instance {} is {}: {}", phone.id(), to_string(phone.state()), phone.why());
  }
}

void Fleet::on_wants_try(Phone& phone) {
  if (serves(phone)) waiting_.push(phone.slot(), phone.failing());
  begin_tries();
}

void Fleet::on_try_over(Phone&) {
  waiting_.over();
  begin_tries();
}

void Fleet::on_refused(Phone& phone) { events_->on_refused(phone); }

void Fleet::begin_tries() {
  while (const auto slot = waiting_.pop()) {
    if (slots_[*slot] == nullptr || !slots_[*slot]->idle() || !serves(*slots_[*slot])) continue;
    waiting_.begun();
    metrics_.tries.Increment();
    slots_[*slot]->connect(keys_);
  }
}

}  // namespace drover::fleet
