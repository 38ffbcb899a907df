// What can be wrong with a simulated phone, and with which phones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/errc.h"

namespace drover::sim {

// docs/simulator.md says what each does. Written in lower case with hyphens: "no-exit", "refuse-key".
enum class FaultKind : std::uint8_t {
  kSlow,           // answers everything late; amount: ms
  kSilent,         // TCP is open, nothing is ever sent
  kHang,           // commands run but never end, until killed
  kDrop,           // the connection is closed after OKAY; amount: bytes of the command's output sent before
  kRefuseKey,      // AUTH for ever
  kLegacy,         // Android 6: no shell_v2, 4 KiB packets, checksums, a terminal's line ends
  kGarbage,        // random bytes instead of CNXN
  kGarbageStream,  // random bytes instead of a command's output
  kReboot,         // once: gone, then back with a new boot id; amount: ms away
  kAbsent,         // connections are reset
  kFlap,           // all connections are closed again and again; amount: ms between
  kNoExit,         // streams end without an exit code
  kDoubleClose,    // every CLSE is sent twice
  kOversize,       // a packet longer than the limit instead of a command's output
  kBadMagic,       // a packet with a wrong magic instead of a command's output
  kEndless,        // commands write for ever, under flow control
  kRefuseOpen,     // no command is taken: OPEN is answered with CLSE
};
inline constexpr std::size_t kFaultKinds = 17;

std::string_view name_of(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kSlow;
  std::uint32_t amount = 0;  // its unit depends on the kind: ms or bytes; 0 where there is none

  bool operator==(const Fault&) const = default;
};

// "hang", "slow:200" (ms), "drop:100" (bytes; none: 0), "reboot:5" and "flap:0.5" (s).
Result<Fault> parse_fault(std::string_view text);

// "all", "7", "1-100" (both ends included; the first phone is 0) or "5%": every 20th phone. The same
// percentage of two kinds of fault takes different phones as long as both fit.
class PhoneRange {
 public:
  static Result<PhoneRange> parse(std::string_view text);
  static PhoneRange all() { return PhoneRange(); }
  static PhoneRange only(std::size_t first, std::size_t last);

  bool has(std::size_t phone, FaultKind kind) const;

 private:
  std::size_t first_ = 0;
  std::size_t last_ = static_cast<std::size_t>(-1);
  std::uint32_t per_mille_ = 1000;
};

// "5%=hang" and "0-9=slow:100", as a flag has it.
struct FaultRule {
  PhoneRange range;
  Fault fault;
};
Result<FaultRule> parse_fault_rule(std::string_view text);

// The faults of one phone: at most one of each kind.
class FaultSet {
 public:
  void add(Fault fault);
  void remove(FaultKind kind) { kinds_ &= ~bit(kind); }
  void clear() { kinds_ = 0; }

  bool any() const { return kinds_ != 0; }
  bool has(FaultKind kind) const { return (kinds_ & bit(kind)) != 0; }
  // 0 if the phone does not have it.
  std::uint32_t amount(FaultKind kind) const;

 private:
  static std::uint32_t bit(FaultKind kind) { return 1U << static_cast<unsigned>(kind); }

  std::uint32_t kinds_ = 0;
  std::array<std::uint32_t, kFaultKinds> amounts_{};
};

}  // namespace drover::sim
