// A phone that says anything at all: to the packet reader, and to a session that has come online and runs
// commands.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adb/host_session.h"
#include "adb/packet.h"
#include "adb/shell_stream.h"

namespace {

using namespace drover;
using namespace drover::adb;

constexpr std::uint32_t kMaxPayload = 64 * 1024;

class Deaf final : public ShellEvents {
 public:
  void on_output(Output, std::string_view bytes) override {
    if (bytes.empty()) std::abort();
  }
  void on_end(const ShellEnd& end) override {
    if (ended || (!end.exit_code && !end.why)) std::abort();
    ended = true;
  }
  bool ended = false;
};

class Driver final : public SessionDriver {
 public:
  void on_online(const Banner&) override {}
  void on_output() override {}
  void on_deadline_set(SteadyTime) override {}
};

// Takes a piece of 1 to 64 bytes: the input itself says how it is cut.
std::string_view take_piece(std::string_view& rest) {
  const std::size_t size = static_cast<unsigned char>(rest.front()) % 64 + 1;
  const std::string_view piece = rest.substr(0, size);
  rest.remove_prefix(piece.size());
  return piece;
}

void read_packets(std::string_view rest) {
  PacketReader reader(kMaxPayload);
  while (!rest.empty()) {
    const auto fed = reader.feed(take_piece(rest), [](const Header& header, std::string_view payload) {
      if (payload.size() != header.length || header.length > kMaxPayload) std::abort();
      return true;
    });
    if (!fed) return;
  }
}

// Gives headers a right magic, or the fuzzer would hardly ever get past one.
std::string repaired(std::string_view bytes) {
  static constexpr Command kCommands[] = {kCnxn, kStls, kAuth, kOpen, kOkay, kClse, kWrte};
  std::string out;
  while (bytes.size() >= 4) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const Command command = kCommands[at(0) % std::size(kCommands)];
    const std::size_t size = std::min<std::size_t>(at(3), bytes.size() - 4);
    append_packet(out, command, at(1), at(2) % 8, bytes.substr(4, size), false);
    bytes.remove_prefix(4 + size);
  }
  return out.append(bytes);
}

void run_session(std::string_view banner, std::string_view bytes) {
  const Clock clock;
  Driver driver;
  HostSession session(clock, std::make_shared<KeyRing>(std::vector<std::unique_ptr<Key>>()), kMaxPayload,
                      Millis(1'000), driver);
  session.start();
  std::string hello;
  append_packet(hello, kCnxn, kVersionSkipChecksum, kMaxPayload, banner, false);
  if (!session.receive(hello)) std::abort();

  Deaf events[4];
  std::vector<std::unique_ptr<Shell>> shells;
  for (Deaf& event : events) shells.push_back(start_shell(session, "true", event));
  std::size_t turns = 0;
  while (!bytes.empty()) {
    if (!session.receive(take_piece(bytes))) break;
    if (++turns % 3 == 0) session.sent(session.output().size());
    if (turns == 5) shells[0]->kill();
    if (turns == 7) shells[1].reset();
    if (turns % 101 == 0 && !session.expire(session.next_deadline())) break;
    // A phone's packet of 24 bytes can make us say 72 at most.
    if (session.output().size() > 64 * 1024) std::abort();
  }
  session.end(std::make_error_code(std::errc::connection_reset));
  if (!events[0].ended || !events[2].ended || !events[3].ended) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_packets(input);
  run_session("device::features=shell_v2", input);
  run_session("device::features=shell_v2", repaired(input));
  run_session("device::", repaired(input));
  return 0;
}
