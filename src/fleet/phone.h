// One instance and the link to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "adb/connection.h"
#include "base/timer_wheel.h"
#include "fleet/address.h"
#include "fleet/backoff.h"
#include "store/shards.h"
#include "store/types.h"

namespace drover {
class Loop;
}

namespace drover::fleet {

enum class LinkState : std::uint8_t {
  kConnecting,    // not linked since it was added; a try is under way or waits its turn
  kOnline,        // commands may be sent
  kOffline,       // the last try failed, or the link broke; the next try comes by itself
  kBooting,       // TCP is open, but adbd does not answer yet
  kUnauthorized,  // the phone refuses our key
};
inline constexpr std::size_t kLinkStates = 5;

const char* to_string(LinkState state);

// What other threads are told of a phone.
struct PhoneView {
  std::int64_t project = 0;
  std::string id;
  std::string address;
  LinkState state = LinkState::kConnecting;
  std::int64_t since_ms = 0;  // when it came to be in that state
  std::string why;            // for people: why it is not online
  std::string model;          // what the phone last said of itself
  std::int64_t created_ms = 0;
  store::Labels labels = {};
};

class Phone;

// What a phone tells its fleet, on the fleet's loop.
class PhoneEvents {
 public:
  virtual void on_link_changed(Phone& phone, LinkState before) = 0;
  // It wants to try (again) to connect: connect() when its turn has come.
  virtual void on_wants_try(Phone& phone) = 0;
  // The try has ended, or has become mere waiting: another phone's may begin.
  virtual void on_try_over(Phone& phone) = 0;
  // A try has ended because the phone refuses our key.
  virtual void on_refused(Phone& phone) = 0;

 protected:
  ~PhoneEvents() = default;
};

// Belongs to the fleet's loop. It keeps one link: when that ends, it wants another try after a pause that
// grows with each failure.
class Phone final : private adb::ConnectionEvents {
 public:
  Phone(Loop& loop, store::Instance instance, Address address, std::uint32_t slot, PhoneEvents& events);

  std::int64_t seq() const { return seq_; }
  std::int64_t project() const { return project_; }
  const std::string& id() const { return id_; }
  // A small number that no other phone of the fleet has: an index for tables beside it.
  std::uint32_t slot() const { return slot_; }
  std::uint8_t shard() const { return shard_; }
  LinkState state() const { return state_; }
  const std::string& why() const { return why_; }
  const std::string& address() const { return address_text_; }
  const store::Labels& labels() const;
  void set_labels(store::Labels labels);
  PhoneView view() const;

  // Null unless online.
  adb::Connection* link() { return state_ == LinkState::kOnline ? link_.get() : nullptr; }

  // Begins a try, as on_wants_try asked for.
  void connect(const std::shared_ptr<const adb::KeyRing>& keys);
  // Its last try came to nothing: it does not go before those that may succeed.
  bool failing() const { return backoff_.failing(); }
  // Neither linked nor trying.
  bool idle() const { return link_ == nullptr; }
  // Ends the link of a phone that answers but does not work, with a pause before the next try. Not from
  // within an event of that link, nor while shells run on it.
  void drop(std::string why);
  // Ends link and tries for good, without on_link_changed. The same conditions.
  void close();
  // The same phone is to be reached elsewhere: ends link and tries, and is idle until connect().
  void move(std::string address_text, Address address);
  // Another node serves it: as move() to where it is, without on_link_changed.
  void rest();
  std::int64_t since_ms() const { return since_ms_; }
  const std::string& model() const { return model_; }

 private:
  void on_online(const adb::Banner& banner) override;
  void on_closed(const Error& why) override;
  void become(LinkState state, std::string why);
  void end_try();
  void retry_later();
  void count_end();
  void on_timer();

  Loop& loop_;
  PhoneEvents& events_;
  const std::int64_t seq_;
  const std::int64_t project_;
  const std::int64_t created_ms_;
  const std::string id_;
  std::string address_text_;
  Address address_;
  std::unique_ptr<const store::Labels> labels_;  // null: none, as most
  std::string why_;
  std::string model_;
  std::unique_ptr<adb::Connection> link_;
  Timer timer_;                // until the next try, or until a slow one counts as waiting
  std::int64_t since_ms_ = 0;  // for people
  SteadyTime since_;           // the same moment, for us
  std::uint32_t slot_;
  const std::uint8_t shard_;
  Backoff backoff_;
  LinkState state_ = LinkState::kConnecting;
  bool trying_ = false;
};

}  // namespace drover::fleet
