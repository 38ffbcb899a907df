#include "adb/host_session.h"

#include <algorithm>
#include <utility>

#include "adb/banner.h"
#include "adb/errc.h"

namespace drover::adb {
namespace {

// A stream that we closed may still get a WRTE, an OKAY and a CLSE or two that were under way. A phone that
// sends many more such packets only wastes our time.
constexpr std::uint32_t kStraysPerStream = 8;
constexpr std::uint32_t kMaxStrays = 64;

// An idle connection keeps no larger buffer than this.
constexpr std::size_t kKeepOutput = 128;

}  // namespace

Stream::~Stream() {
  if (session_ != nullptr) session_->close(*this);
}

HostSession::HostSession(const Clock& clock, std::shared_ptr<const KeyRing> keys, std::uint32_t max_payload,
                         Millis open_timeout, SessionDriver& driver)
    : clock_(clock),
      driver_(driver),
      keys_(std::move(keys)),
      open_timeout_(open_timeout),
      own_payload_(std::max(max_payload, kHandshakePayload)),
      reader_(kHandshakePayload) {}

void HostSession::start() { write(kCnxn, kVersionSkipChecksum, own_payload_, host_banner()); }

Result<> HostSession::receive(std::string_view bytes) {
  if (ended_) return {};
  busy_ = true;
  Result<> handled;
  Result<> cut = reader_.feed(bytes, [&](const Header& header, std::string_view payload) {
    handled = handle(header, payload);
    return handled.has_value() && !ended_;
  });
  busy_ = false;
  sweep_adopted();
  return handled ? cut : handled;
}

void HostSession::sent(std::size_t size) {
  sent_ += size;
  output_.erase(0, size);
  if (output_.empty() && output_.capacity() > kKeepOutput) std::string().swap(output_);
}

Result<> HostSession::expire(SteadyTime now) {
  if (ended_) return {};
  for (const Stream* stream : streams_) {
    if (!stream->acknowledged() && stream->open_by_ <= now) {
      return failure(Errc::kTimeout, "a stream was not acknowledged");
    }
  }
  busy_ = true;
  fire_deadlines(now);
  busy_ = false;
  sweep_adopted();
  return {};
}

void HostSession::fire_deadlines(SteadyTime now) {
  const auto due = [&](const Stream* stream) { return stream->deadline_ <= now; };
  while (true) {
    const auto it = std::find_if(streams_.begin(), streams_.end(), due);
    if (it == streams_.end()) return;
    (*it)->deadline_ = SteadyTime::max();
    (*it)->on_deadline();
  }
}

SteadyTime HostSession::next_deadline() const {
  SteadyTime next = SteadyTime::max();
  for (const Stream* stream : streams_) {
    next = std::min(next, stream->deadline_);
    if (!stream->acknowledged()) next = std::min(next, stream->open_by_);
  }
  return next;
}

bool HostSession::all_acknowledged() const {
  return std::ranges::all_of(streams_, [](const Stream* stream) { return stream->acknowledged(); });
}

void HostSession::end(const std::error_code& why) {
  if (ended_) return;
  online_ = false;
  ended_ = true;
  end_streams(why);
  adopted_.clear();
}

void HostSession::abandon() {
  online_ = false;
  ended_ = true;
  while (!streams_.empty()) detach(*streams_.back());
  adopted_.clear();
}

void HostSession::open(Stream& stream, const std::string& service) {
  stream.session_ = this;
  stream.local_ = new_local_id();
  stream.remote_ = 0;
  write(kOpen, stream.local_, 0, {service.c_str(), service.size() + 1});
  stream.open_end_ = sent_ + output_.size();
  stream.open_by_ = clock_.steady() + open_timeout_;
  streams_.push_back(&stream);
  strays_ -= std::min(strays_, kStraysPerStream);
  driver_.on_deadline_set(stream.open_by_);
  if (!busy_) driver_.on_output();
}

void HostSession::close(Stream& stream) {
  if (stream.session_ != this) return;
  const bool acknowledged = stream.acknowledged();
  // Before the phone has told its id there is nothing to close; its late OKAY will be answered with CLSE.
  if (acknowledged) write(kClse, stream.local_, stream.remote_);
  detach(stream);
  if (acknowledged && !busy_) driver_.on_output();
}

void HostSession::set_deadline(Stream& stream, SteadyTime at) {
  stream.deadline_ = at;
  driver_.on_deadline_set(at);
}

void HostSession::adopt(std::unique_ptr<Stream> stream) { adopted_.push_back(std::move(stream)); }

void HostSession::sweep_adopted() {
  std::erase_if(adopted_, [](const std::unique_ptr<Stream>& stream) { return stream->session_ == nullptr; });
}

Result<> HostSession::handle(const Header& header, std::string_view payload) {
  switch (header.command) {
    case kCnxn:
      // A phone that begins anew on a live connection: only a new connection is sure to carry nothing of the
      // old.
      if (online_) break;
      return handle_cnxn(header, payload);
    case kStls:
      return failure(Errc::kTlsRequired);
    case kAuth:
      if (online_) break;
      return handle_auth(header, payload);
    case kOpen:
      if (!online_) break;
      return handle_open(header);
    case kOkay:
      if (!online_) break;
      return handle_okay(header);
    case kWrte:
      if (!online_) break;
      return handle_wrte(header, payload);
    case kClse:
      if (!online_) break;
      return handle_clse(header);
    default:
      break;
  }
  return failure(Errc::kProtocol, "a packet out of turn");
}

Result<> HostSession::handle_cnxn(const Header& header, std::string_view payload) {
  std::optional<Banner> banner = parse_device_banner(payload);
  if (!banner) return failure(Errc::kProtocol, "this is no phone's banner");
  if (header.arg1 < kHandshakePayload) return failure(Errc::kProtocol, "a payload limit below 4 KiB");
  banner->version = std::min(header.arg0, kVersionSkipChecksum);
  banner->max_payload = std::min(header.arg1, own_payload_);
  with_checksum_ = banner->version < kVersionSkipChecksum;
  agreed_payload_ = banner->max_payload;
  shell_v2_ = banner->shell_v2;
  reader_.set_max_payload(own_payload_);
  online_ = true;
  driver_.on_online(*banner);
  return {};
}

Result<> HostSession::handle_auth(const Header& header, std::string_view token) {
  if (header.arg0 != kAuthToken || token.size() != kTokenSize)
    return failure(Errc::kProtocol, "not an AUTH token");
  // For each signature it does not know, adbd sends another token.
  while (next_key_ < keys_->keys().size()) {
    const std::string signature = keys_->keys()[next_key_++]->sign(token);
    if (signature.empty()) continue;
    write(kAuth, kAuthSignature, 0, signature);
    return {};
  }
  return failure(Errc::kUnauthorized);
}

// Phones open streams only for `adb reverse`, which we never ask for.
Result<> HostSession::handle_open(const Header& header) {
  write(kClse, 0, header.arg0);
  return count_stray();
}

Result<> HostSession::handle_okay(const Header& header) {
  Stream* stream = find(header.arg1);
  if (stream != nullptr && !stream->acknowledged() && header.arg0 != 0) {
    stream->remote_ = header.arg0;
    return {};
  }
  // The stream was closed here while its OPEN was under way: without this, its command would never be hung up
  // on.
  if (stream == nullptr && header.arg0 != 0) write(kClse, header.arg1, header.arg0);
  return count_stray();
}

Result<> HostSession::handle_wrte(const Header& header, std::string_view payload) {
  Stream* stream = find(header.arg1);
  if (stream == nullptr || !stream->acknowledged() || stream->remote_ != header.arg0) return count_stray();
  write(kOkay, stream->local_, stream->remote_);
  stream->on_data(payload);
  return {};
}

Result<> HostSession::handle_clse(const Header& header) {
  Stream* stream = find(header.arg1);
  // Old adbd closes with 0 in place of its own id.
  const bool its =
      stream != nullptr && (!stream->acknowledged() || header.arg0 == 0 || header.arg0 == stream->remote_);
  if (!its) return count_stray();
  const bool acknowledged = stream->acknowledged();
  if (acknowledged) write(kClse, stream->local_, stream->remote_);
  detach(*stream);
  stream->on_end(Errc::kClosed, acknowledged);
  return {};
}

Result<> HostSession::count_stray() {
  if (++strays_ <= kMaxStrays) return {};
  return failure(Errc::kProtocol, "too many packets of no stream");
}

Stream* HostSession::find(std::uint32_t local) const {
  const auto it =
      std::find_if(streams_.rbegin(), streams_.rend(), [&](const Stream* s) { return s->local_ == local; });
  return it == streams_.rend() ? nullptr : *it;
}

// Counts up, so that what is late for an old stream does not meet a new one of the same id.
std::uint32_t HostSession::new_local_id() {
  std::uint32_t id = next_local_;
  while (id == 0 || find(id) != nullptr) ++id;
  next_local_ = id + 1;
  return id;
}

void HostSession::detach(Stream& stream) {
  stream.session_ = nullptr;
  std::erase(streams_, &stream);
}

// Those that are open now: what is told may open others.
void HostSession::end_streams(const std::error_code& why) {
  std::vector<std::uint32_t> ids;
  ids.reserve(streams_.size());
  for (const Stream* stream : streams_) ids.push_back(stream->local_);
  for (const std::uint32_t id : ids) {
    Stream* stream = find(id);
    if (stream == nullptr) continue;
    const bool may_have_begun = stream->open_end_ <= sent_;
    detach(*stream);
    stream->on_end(why, may_have_begun);
  }
}

void HostSession::write(Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload) {
  if (!ended_) append_packet(output_, command, arg0, arg1, payload, with_checksum_);
}

}  // namespace drover::adb
