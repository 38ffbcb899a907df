#include "sim/link.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/id.h"
#include "base/loop.h"
#include "sim/android.h"
#include "sim/handset.h"
#include "sim/host_command.h"
#include "sim/script.h"
#include "sim/service.h"
#include "sim/stream.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

constexpr std::uint32_t kMaxPayload = 1024 * 1024;  // Android 9 and later
constexpr std::uint32_t kLegacyPayload = 4096;      // Android 6 and earlier
constexpr std::uint32_t kMaxStreams = 1024;         // a power of two: ids are cut into slot and count
constexpr std::size_t kMaxUnsent = std::size_t{1024} * 1024;
constexpr std::size_t kKeptBuffer = 512;  // what an idle connection may hold

std::string banner(bool legacy) {
  std::string text = fmt::format("device::ro.product.name={};ro.product.model={};ro.product.device={};",
                                 kProduct, kModel, kDevice);
  if (!legacy) text += "features=shell_v2,cmd";
  return text;
}

}  // namespace

Link::Link(World& world, Handset& handset, int fd)
    : world_(world), handset_(handset), fd_(fd), legacy_(handset.phone().faults().has(FaultKind::kLegacy)) {}

Link::~Link() {
  drop_streams();
  if (fd_ >= 0) ::close(fd_);
}

bool Link::start() {
  interest_ = EPOLLIN;
  return world_.poller->add(fd_, interest_, *this);
}

void Link::on_poll(std::uint32_t events) {
  if (fd_ < 0) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  if ((events & EPOLLOUT) != 0) {
    blocked_ = false;
    mark_dirty();
  }
  if ((events & EPOLLIN) != 0) poll_input();
}

void Link::poll_input() {
  const FaultSet& faults = handset_.phone().faults();
  if (!faults.has(FaultKind::kSlow)) return read();
  delayed_ = true;
  update_interest();
  if (!delay_) {
    delay_ = std::make_unique<Timer>([this] {
      delayed_ = false;
      update_interest();
      read();
    });
  }
  world_.loop.schedule(*delay_, Millis(faults.amount(FaultKind::kSlow)));
}

void Link::read() {
  const ssize_t size = ::recv(fd_, world_.buffer.data(), world_.buffer.size(), 0);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return close();
  if (size < 0 || state_ == State::kSpoilt || handset_.phone().faults().has(FaultKind::kSilent)) return;
  const auto fed = reader_.feed(std::string_view(world_.buffer.data(), static_cast<std::size_t>(size)),
                                [this](const adb::Header& header, std::string_view payload) {
                                  handle(header, payload);
                                  return fd_ >= 0 && state_ != State::kSpoilt;
                                });
  if (!fed) close();
}

void Link::handle(const adb::Header& header, std::string_view payload) {
  // Only old phones look at it. New ones must not, not even at the first CNXN: adb, when it reconnects, sends
  // none there.
  if (legacy_ && header.check != adb::checksum(payload)) return close();
  switch (header.command) {
    case adb::kCnxn:
      return on_connect(header);
    case adb::kAuth:
      return on_auth(header, payload);
    case adb::kOpen:
      return on_open(header, payload);
    default:
      return on_stream_packet(header, payload);
  }
}

void Link::on_connect(const adb::Header& header) {
  drop_streams();  // a second CNXN begins anew
  const FaultSet& faults = handset_.phone().faults();
  if (faults.has(FaultKind::kGarbage)) return spoil_with_garbage();
  // From here on the agreed version counts, for our answer too.
  checksums_ = legacy_ || header.arg0 < adb::kVersionSkipChecksum;
  max_payload_ = std::min(header.arg1, legacy_ ? kLegacyPayload : kMaxPayload);
  if (max_payload_ == 0) return close();
  if (world_.keys || faults.has(FaultKind::kRefuseKey)) return send_token();
  go_online();
}

void Link::send_token() {
  state_ = State::kAuth;
  token_.resize(adb::kTokenSize);
  fill_random(token_.data(), token_.size());
  append(adb::kAuth, adb::kAuthToken, 0, token_);
}

void Link::on_auth(const adb::Header& header, std::string_view payload) {
  // With a public key a host asks the phone's owner, and here nobody looks at the screen.
  if (state_ != State::kAuth || header.arg0 != adb::kAuthSignature) return;
  const bool refuse = handset_.phone().faults().has(FaultKind::kRefuseKey);
  if (refuse || !world_.keys || !world_.keys->verify(token_, payload)) return send_token();
  std::string().swap(token_);
  go_online();
}

void Link::go_online() {
  state_ = State::kOnline;
  ++world_.stats.handshakes;
  reader_.set_max_payload(legacy_ ? kLegacyPayload : kMaxPayload);
  append(adb::kCnxn, legacy_ ? adb::kVersionMin : adb::kVersionSkipChecksum,
         legacy_ ? kLegacyPayload : kMaxPayload, banner(legacy_));
}

void Link::on_open(const adb::Header& header, std::string_view payload) {
  if (state_ != State::kOnline || header.arg0 == 0) return;
  const auto service = parse_service(payload, legacy_);
  // arg1 is a window only where delayed_ack was agreed, which these phones do not offer.
  std::uint32_t slot = 0;
  while (slot < streams_.size() && streams_[slot]) ++slot;
  Phone& phone = handset_.phone();
  if (!service || header.arg1 != 0 || slot == kMaxStreams || phone.faults().has(FaultKind::kRefuseOpen))
    return append(adb::kClse, 0, header.arg0);
  if (service->kind == Service::kReboot) {
    append(adb::kOkay, kMaxStreams * ++opened_ + slot, header.arg0);
    phone.ask_restart();
    return note_restart();
  }
  if (slot == streams_.size()) streams_.emplace_back();
  // Never 0, and not used again soon.
  if (++opened_ == 0xffffffff / kMaxStreams) opened_ = 1;
  streams_[slot] =
      std::make_unique<Stream>(*this, kMaxStreams * opened_ + slot, header.arg0, service->framing);
  Stream& stream = *streams_[slot];
  std::unique_ptr<Command> command;
  if (world_.options.shell == ShellKind::kHost) {
    command = start_host_command(world_, phone, service->command, service->framing, stream);
  } else {
    command = std::make_unique<Script>(phone, service->command, stream);
  }
  if (command) {
    ++world_.stats.commands;
    world_.journal.record(phone.clock().unix_ms(), phone.index(), command->pid(), service->command);
  }
  stream.begin(std::move(command));
  note_restart();
  erase_if_done(stream);
}

Stream* Link::find(std::uint32_t local) const {
  const std::uint32_t slot = local % kMaxStreams;
  if (slot >= streams_.size() || !streams_[slot] || streams_[slot]->local() != local) return nullptr;
  return streams_[slot].get();
}

void Link::on_stream_packet(const adb::Header& header, std::string_view payload) {
  if (state_ != State::kOnline) return;
  Stream* stream = find(header.arg1);
  if (stream == nullptr) {
    // A host that takes up a stream we do not have must not wait for it.
    if (header.command == adb::kOkay && header.arg0 != 0) append(adb::kClse, header.arg1, header.arg0);
    return;
  }
  switch (header.command) {
    case adb::kOkay:
      stream->on_okay();
      break;
    case adb::kWrte:
      stream->on_write(payload);
      break;
    case adb::kClse:
      append(adb::kClse, header.arg1, header.arg0);
      if (handset_.phone().faults().has(FaultKind::kDoubleClose))
        append(adb::kClse, header.arg1, header.arg0);
      stream->hang_up();
      break;
    default:
      return;
  }
  note_restart();
  erase_if_done(*stream);
}

void Link::erase_if_done(Stream& stream) {
  if (stream.done()) streams_[stream.local() % kMaxStreams].reset();
}

void Link::drop_streams() {
  for (auto& stream : streams_) {
    if (stream) stream->hang_up();
  }
  streams_.clear();
}

void Link::note_restart() {
  if (handset_.phone().take_restart_request()) world_.restarts.push_back(&handset_);
}

void Link::pump_ready() {
  for (auto& stream : streams_) {
    if (!stream) continue;
    stream->pump_if_ready();
    if (stream->done()) stream.reset();
  }
  note_restart();
}

void Link::append(adb::Command command, std::uint32_t arg0, std::uint32_t arg1, std::string_view payload) {
  adb::append_packet(out_, command, arg0, arg1, payload, checksums_);
  mark_dirty();
}

void Link::spoil(std::string_view bytes) {
  state_ = State::kSpoilt;
  out_.append(bytes);
  mark_dirty();
}

void Link::spoil_with_garbage() {
  std::array<char, 64> bytes{};
  fill_random(bytes.data(), bytes.size());
  spoil({bytes.data(), bytes.size()});
}

bool Link::full() {
  if (out_.size() < kMaxUnsent) return false;
  held_ = true;
  return true;
}

void Link::mark_dirty() {
  if (dirty_ || fd_ < 0) return;
  dirty_ = true;
  world_.dirty.push_back(this);
  world_.poller->request_turn();
}

void Link::send_out() {
  dirty_ = false;
  if (fd_ < 0) return;
  if (handset_.phone().faults().has(FaultKind::kSilent)) out_.clear();
  if (!out_.empty() && !blocked_) {
    const ssize_t sent = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close();
    if (sent == static_cast<ssize_t>(out_.size())) {
      out_.clear();
      if (out_.capacity() > kKeptBuffer) out_.shrink_to_fit();
      if (std::exchange(held_, false)) mark_dirty();
    } else {
      if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
      blocked_ = true;
    }
  }
  if (closing_ && out_.empty()) return close();
  update_interest();
}

void Link::update_interest() {
  if (fd_ < 0) return;
  std::uint32_t wanted = 0;
  if (!delayed_ && out_.size() < kMaxUnsent) wanted |= EPOLLIN;
  if (blocked_) wanted |= EPOLLOUT;
  if (wanted == interest_) return;
  interest_ = wanted;
  world_.poller->change(fd_, wanted, *this);
}

void Link::close_when_sent() {
  state_ = State::kSpoilt;
  closing_ = true;
  mark_dirty();
}

void Link::close() {
  if (fd_ < 0) return;
  world_.poller->remove(fd_);
  ::close(fd_);
  fd_ = -1;
  if (delay_) delay_->cancel();
  --world_.stats.connections;
  if (dirty_) std::erase(world_.dirty, this);
  for (auto& stream : streams_) {
    if (stream) stream->hang_up();
  }
  handset_.forget(*this);
}

}  // namespace drover::sim
