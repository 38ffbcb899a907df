// ADB's packet layer: 24 bytes of header, then a payload. Both sides of the protocol use it.
//
// Source: AOSP packages/modules/adb, protocol.txt and types.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace drover::adb {

// Four letters, the first in the lowest byte.
enum Command : std::uint32_t {
  kCnxn = 0x4e584e43,
  kStls = 0x534c5453,
  kAuth = 0x48545541,
  kOpen = 0x4e45504f,
  kOkay = 0x59414b4f,
  kClse = 0x45534c43,
  kWrte = 0x45545257,
};

// What AUTH carries, in arg0.
enum AuthKind : std::uint32_t { kAuthToken = 1, kAuthSignature = 2, kAuthPublicKey = 3 };
inline constexpr std::size_t kTokenSize = 20;

// Since kVersionSkipChecksum (Android 9) nobody looks at `check`; before, adbd hangs up if it is wrong.
inline constexpr std::uint32_t kVersionMin = 0x01000000;
inline constexpr std::uint32_t kVersionSkipChecksum = 0x01000001;

// The largest payload that every adbd takes, and the limit for CNXN and AUTH, before the real one is agreed.
inline constexpr std::uint32_t kHandshakePayload = 4096;

// In the order of the wire, there little-endian.
struct Header {
  std::uint32_t command = 0;
  std::uint32_t arg0 = 0;
  std::uint32_t arg1 = 0;
  std::uint32_t length = 0;  // of the payload
  std::uint32_t check = 0;   // of the payload: checksum(), or 0
  std::uint32_t magic = 0;   // ~command
};
inline constexpr std::size_t kHeaderSize = 24;

// The sum of the bytes. (The protocol's text calls it a CRC; it is none.)
std::uint32_t checksum(std::string_view payload);

// Appends one packet. Without `with_checksum`, `check` is 0.
void append_packet(std::string& out, Command command, std::uint32_t arg0, std::uint32_t arg1,
                   std::string_view payload, bool with_checksum);

// Cuts a byte stream into packets. What comes in is hostile; no more memory is held than the part of one
// packet that has arrived, and none between packets. `check` is not verified: who cares compares it with
// checksum().
class PacketReader {
 public:
  explicit PacketReader(std::uint32_t max_payload) : max_payload_(max_payload) {}

  // For packets whose header has not been read yet; may be called from a handler.
  void set_max_payload(std::uint32_t max_payload) { max_payload_ = max_payload; }

  // Calls `handle(const Header&, std::string_view payload) -> bool` for each packet that `bytes` complete.
  // `payload` is valid during that call and points into `bytes` if all of it is there. When `handle` returns
  // false, feed returns at once without touching the reader (which may be gone by then) and the rest of
  // `bytes` is lost. Fails with kProtocol on an unknown command, a wrong magic or a length above the limit:
  // the stream has no further packet boundary, so the reader is of no use after that.
  template <typename Handler>
  Result<> feed(std::string_view bytes, Handler&& handle) {
    while (true) {
      Header header;
      std::string_view payload;
      const Result<bool> found = next(bytes, header, payload);
      if (!found) return tl::unexpected(found.error());
      if (!*found || !handle(std::as_const(header), payload)) return {};
    }
  }

 private:
  // Takes one packet off the front of `bytes`, or stores all of them and returns false.
  Result<bool> next(std::string_view& bytes, Header& header, std::string_view& payload);
  Result<> check(const Header& header) const;
  void fill_partial(std::string_view& bytes, std::size_t size);

  std::uint32_t max_payload_;
  bool partial_done_ = false;  // partial_ is the packet handed out last
  std::string partial_;        // the beginning of a packet whose end has not come
};

}  // namespace drover::adb
