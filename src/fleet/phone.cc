#include "fleet/phone.h"

#include <utility>

#include "adb/errc.h"
#include "base/loop.h"

namespace drover::fleet {
namespace {

// A link that held this long was a good one: its end begins a new count of failures.
constexpr Millis kGoodLink{5'000};

// A try that takes longer is waiting for the phone rather than working, and no longer keeps others from
// theirs.
constexpr Millis kSlowTry{250};

LinkState state_after(const Error& why) {
  if (why.code == adb::Errc::kUnauthorized || why.code == adb::Errc::kTlsRequired)
    return LinkState::kUnauthorized;
  if (why.code == adb::Errc::kHandshakeTimeout) return LinkState::kBooting;
  return LinkState::kOffline;
}

}  // namespace

const char* to_string(LinkState state) {
  switch (state) {
    case LinkState::kConnecting:
      return "connecting";
    case LinkState::kOnline:
      return "online";
    case LinkState::kOffline:
      return "offline";
    case LinkState::kBooting:
      return "booting";
    case LinkState::kUnauthorized:
      return "unauthorized";
  }
  return "unknown";
}

Phone::Phone(Loop& loop, store::Instance instance, Address address, std::uint32_t slot, PhoneEvents& events)
    : loop_(loop),
      events_(events),
      seq_(instance.seq),
      project_(instance.project),
      created_ms_(instance.created_ms),
      id_(std::move(instance.id)),
      address_text_(std::move(instance.address)),
      address_(std::move(address)),
      timer_([this] { on_timer(); }),
      since_ms_(loop.clock().unix_ms()),
      since_(loop.clock().steady()),
      slot_(slot),
      shard_(store::shard_of(project_, id_)) {
  set_labels(std::move(instance.labels).value_or(store::Labels()));
}

PhoneView Phone::view() const {
  return {project_, id_, address_text_, state_, since_ms_, why_, model_, created_ms_, labels()};
}

const store::Labels& Phone::labels() const {
  static const store::Labels none;
  return labels_ == nullptr ? none : *labels_;
}

void Phone::set_labels(store::Labels labels) {
  labels_ = labels.empty() ? nullptr : std::make_unique<const store::Labels>(std::move(labels));
}

void Phone::connect(const std::shared_ptr<const adb::KeyRing>& keys) {
  adb::ConnectionOptions options;
  options.host = address_.host;
  options.port = address_.port;
  options.keys = keys;
  trying_ = true;
  loop_.schedule(timer_, kSlowTry);
  link_ = adb::connect(loop_, std::move(options), *this);
}

void Phone::drop(std::string why) {
  if (state_ != LinkState::kOnline) return;
  count_end();
  link_.reset();
  become(LinkState::kOffline, std::move(why));
  retry_later();
}

void Phone::close() {
  link_.reset();
  end_try();  // also cancels a retry
}

void Phone::move(std::string address_text, Address address) {
  // First of all: close() may let this very phone begin its next try.
  address_text_ = std::move(address_text);
  address_ = std::move(address);
  backoff_.reset();
  close();
  become(LinkState::kConnecting, {});
}

void Phone::rest() {
  backoff_.reset();
  close();
  state_ = LinkState::kConnecting;
  why_.clear();
}

void Phone::on_online(const adb::Banner& banner) {
  model_ = banner.model;
  end_try();
  become(LinkState::kOnline, {});
}

void Phone::on_closed(const Error& why) {
  count_end();
  link_.reset();
  become(state_after(why), why.message);
  end_try();
  retry_later();
  if (state_ == LinkState::kUnauthorized) events_.on_refused(*this);
}

void Phone::become(LinkState state, std::string why) {
  why_ = std::move(why);
  if (state == state_) return;
  const LinkState before = std::exchange(state_, state);
  since_ms_ = loop_.clock().unix_ms();
  since_ = loop_.clock().steady();
  events_.on_link_changed(*this, before);
}

void Phone::end_try() {
  timer_.cancel();
  if (std::exchange(trying_, false)) events_.on_try_over(*this);
}

void Phone::retry_later() { loop_.schedule(timer_, backoff_.pause()); }

// Of a link or a try, while state_ still tells which.
void Phone::count_end() {
  if (state_ == LinkState::kOnline && loop_.clock().steady() - since_ >= kGoodLink) {
    backoff_.reset();
  } else {
    backoff_.failed();
  }
}

void Phone::on_timer() {
  if (trying_) {
    end_try();
  } else {
    events_.on_wants_try(*this);
  }
}

}  // namespace drover::fleet
