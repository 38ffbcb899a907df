#include "sim/stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "adb/packet.h"
#include "base/loop.h"
#include "sim/handset.h"
#include "sim/link.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

// How much output is made at a time: enough for few turns, little enough for 10,000 commands at once.
constexpr std::size_t kChunk = std::size_t{32} * 1024;

// shell_protocol.h
constexpr std::uint8_t kStdinId = 0;
constexpr std::uint8_t kCloseStdinId = 4;

constexpr int kCannotRun = 126;  // what adbd reports when it cannot start a shell

}  // namespace

Stream::Stream(Link& link, std::uint32_t local, std::uint32_t remote, Framing framing)
    : link_(link), local_(local), remote_(remote), framing_(framing), out_(framing) {
  ++link_.world().stats.streams;
}

Stream::~Stream() { --link_.world().stats.streams; }

void Stream::begin(std::unique_ptr<Command> command) {
  command_ = std::move(command);
  link_.append(adb::kOkay, local_, remote_);
  if (!command_) {
    out_.write(Channel::kStderr, "the simulated phone cannot start a shell\n");
    out_.write_exit(kCannotRun);
    ended_ = true;
  }
  pump();
}

void Stream::on_okay() {
  in_flight_ = false;
  pump();
}

void Stream::on_write(std::string_view payload) {
  owes_okay_ = true;
  if (command_ && !ended_) {
    if (framing_ == Framing::kShellV2) {
      parse_input(payload);
    } else {
      command_->input(payload);
    }
  }
  pump();
}

void Stream::parse_input(std::string_view bytes) {
  while (!bytes.empty()) {
    if (input_.have < input_.header.size()) {
      input_.header[input_.have++] = bytes.front();
      bytes.remove_prefix(1);
      if (input_.have < input_.header.size()) continue;
      std::memcpy(&input_.left, &input_.header[1], sizeof input_.left);
    }
    const auto id = static_cast<std::uint8_t>(input_.header[0]);
    const std::string_view data = bytes.substr(0, input_.left);
    bytes.remove_prefix(data.size());
    input_.left -= static_cast<std::uint32_t>(data.size());
    if (id == kStdinId) command_->input(data);
    if (input_.left > 0) return;
    if (id == kCloseStdinId) command_->end_input();
    input_.have = 0;
  }
}

void Stream::hang_up() {
  done_ = true;
  if (timer_) timer_->cancel();
  if (command_ && !command_->hang_up()) link_.handset().phone().adopt(std::move(command_));
}

void Stream::on_ready() {
  ready_ = true;
  link_.mark_dirty();
}

void Stream::pump_if_ready() {
  if (!std::exchange(ready_, false)) return;
  pump();
}

void Stream::wake_after(Millis time) {
  if (!timer_) {
    timer_ = std::make_unique<Timer>([this] {
      command_->wake();
      on_ready();
    });
  }
  link_.world().loop.schedule(*timer_, time);
}

void Stream::pump() {
  while (!done_) {
    // Also while output is in flight, a command may take in what the host sends.
    if (!ended_ && out_.size() == 0) advance();
    give_room();
    if (in_flight_) return;
    if (link_.full()) {
      ready_ = true;
      return;
    }
    if (out_.size() > 0) {
      send_output();
    } else if (ended_) {
      close();
    } else {
      return;
    }
  }
}

void Stream::advance() {
  if (command_->advance(out_, kChunk) != Progress::kEnded) return;
  ended_ = true;
  const FaultSet& faults = link_.handset().phone().faults();
  if (!faults.has(FaultKind::kNoExit) && !faults.has(FaultKind::kDrop)) {
    out_.write_exit(static_cast<std::uint8_t>(command_->status()));
  }
}

void Stream::give_room() {
  if (!owes_okay_ || (command_ && !ended_ && !command_->has_room())) return;
  owes_okay_ = false;
  link_.append(adb::kOkay, local_, remote_);
}

void Stream::send_output() {
  if (spoil()) return;
  std::size_t limit = link_.max_payload();
  const FaultSet& faults = link_.handset().phone().faults();
  if (faults.has(FaultKind::kDrop))
    limit = std::min<std::size_t>(limit, faults.amount(FaultKind::kDrop) - sent_);
  const std::string_view payload = out_.front(limit);
  link_.append(adb::kWrte, local_, remote_, payload);
  sent_ += static_cast<std::uint32_t>(payload.size());
  out_.take(payload.size());
  in_flight_ = true;
}

void Stream::close() {
  if (spoil()) return;
  done_ = true;
  link_.append(adb::kClse, local_, remote_);
  if (link_.handset().phone().faults().has(FaultKind::kDoubleClose))
    link_.append(adb::kClse, local_, remote_);
}

// Breaks the protocol, if that is this phone's fault. The connection is of no use afterwards.
bool Stream::spoil() {
  const FaultSet& faults = link_.handset().phone().faults();
  if (!faults.any()) return false;
  if (faults.has(FaultKind::kDrop) && (sent_ >= faults.amount(FaultKind::kDrop) || out_.size() == 0)) {
    link_.close_when_sent();
  } else if (faults.has(FaultKind::kGarbageStream)) {
    link_.spoil_with_garbage();
  } else if (faults.has(FaultKind::kOversize) || faults.has(FaultKind::kBadMagic)) {
    const bool oversize = faults.has(FaultKind::kOversize);
    const adb::Header header{.command = adb::kWrte,
                             .arg0 = local_,
                             .arg1 = remote_,
                             .length = oversize ? 0x7fffffffU : 0U,
                             .check = 0,
                             .magic = oversize ? ~std::uint32_t{adb::kWrte} : std::uint32_t{adb::kWrte}};
    link_.spoil({reinterpret_cast<const char*>(&header), sizeof header});
  } else {
    return false;
  }
  // The stream stays, mute, until the host gives up.
  in_flight_ = true;
  return true;
}

}  // namespace drover::sim
