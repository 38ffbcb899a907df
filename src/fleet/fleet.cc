#include "fleet/fleet.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/loop.h"

namespace drover::fleet {
namespace {

Result<> check(const store::Instance& instance) {
  if (!is_instance_id(instance.id)) return failure(Errc::kBadId, instance.id.substr(0, 64));
  if (auto address = parse_address(instance.address); !address)
    return Failure(Error{address.error().code, instance.id + ": " + address.error().message});
  if (instance.labels && !are_labels(*instance.labels)) return failure(Errc::kBadLabels, instance.id);
  return {};
}

}  // namespace

Fleet::Fleet(Loop& loop, store::Store& store, std::shared_ptr<const adb::KeyRing> keys,
             prometheus::Registry& registry)
    : loop_(loop), store_(store), keys_(std::move(keys)), metrics_(registry) {}

Fleet::~Fleet() = default;

void Fleet::start(std::vector<store::Instance> instances) {
  for (store::Instance& instance : instances) add(std::move(instance));
  begin_tries();
}

void Fleet::stop() {
  stopped_ = true;
  waiting_.clear();
  for (auto& phone : slots_) phone.reset();
  projects_.clear();
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
    store_.remove_instance(
        phone->seq(), [this, project, id, done = std::move(done)](Result<> removed) mutable {
          loop_.post([this, project, id, done = std::move(done), removed = std::move(removed)] {
            Phone* gone = find(project, id);
            if (removed && gone != nullptr) erase(*gone);
            done(removed);
          });
        });
  });
}

void Fleet::list(std::int64_t project, std::function<void(std::vector<PhoneView>)> done) {
  loop_.post([this, project, done = std::move(done)] {
    std::vector<PhoneView> views;
    views.reserve(phones(project).size());
    for (const Phone* phone : phones(project)) views.push_back(phone->view());
    done(std::move(views));
  });
}

void Fleet::look_up(std::int64_t project, std::vector<std::string> ids,
                    std::function<void(std::vector<std::optional<LinkState>>)> done) {
  loop_.post([this, project, ids = std::move(ids), done = std::move(done)] {
    std::vector<std::optional<LinkState>> states;
    states.reserve(ids.size());
    for (const std::string& id : ids) {
      const Phone* phone = find(project, id);
      states.push_back(phone == nullptr ? std::nullopt : std::optional(phone->state()));
    }
    done(std::move(states));
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
  if (Phone* known = find(instance.project, instance.id)) {
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
  metrics_.links[static_cast<std::size_t>(phone.state())]->Increment();
  events_->on_phone_added(phone);
  waiting_.push(slot, false);
}

// What waits for the phone goes on waiting for it at its new address.
void Fleet::move(Phone& phone, std::string address_text, Address address) {
  events_->on_link_cut(phone);
  phone.move(std::move(address_text), std::move(address));
  waiting_.push(phone.slot(), false);
}

void Fleet::erase(Phone& phone) {
  const std::uint32_t slot = phone.slot();
  events_->on_link_cut(phone);
  events_->on_phone_removed(phone);
  metrics_.links[static_cast<std::size_t>(phone.state())]->Decrement();
  Project& home = projects_[phone.project()];
  home.by_id.erase(phone.id());
  std::erase(home.in_order, &phone);
  const std::unique_ptr<Phone> gone = std::move(slots_[slot]);
  free_slots_.push_back(slot);
  gone->close();
}

void Fleet::on_link_changed(Phone& phone, LinkState before) {
  metrics_.links[static_cast<std::size_t>(before)]->Decrement();
  metrics_.links[static_cast<std::size_t>(phone.state())]->Increment();
  if (phone.state() == LinkState::kOnline) {
    spdlog::debug("instance {} is online", phone.id());
    events_->on_link_up(phone);
  } else {
    spdlog::debug("instance {} is {}: {}", phone.id(), to_string(phone.state()), phone.why());
  }
}

void Fleet::on_wants_try(Phone& phone) {
  waiting_.push(phone.slot(), phone.failing());
  begin_tries();
}

void Fleet::on_try_over(Phone&) {
  waiting_.over();
  begin_tries();
}

void Fleet::on_refused(Phone& phone) { events_->on_refused(phone); }

void Fleet::begin_tries() {
  while (const auto slot = waiting_.pop()) {
    if (slots_[*slot] == nullptr || !slots_[*slot]->idle()) continue;
    waiting_.begun();
    metrics_.tries.Increment();
    slots_[*slot]->connect(keys_);
  }
}

}  // namespace drover::fleet
