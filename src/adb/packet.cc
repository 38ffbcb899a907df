#include "adb/packet.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "adb/errc.h"

namespace drover::adb {
namespace {

static_assert(std::endian::native == std::endian::little, "headers are copied as they are");
static_assert(sizeof(Header) == kHeaderSize);

bool known(std::uint32_t command) {
  switch (command) {
    case kCnxn:
    case kStls:
    case kAuth:
    case kOpen:
    case kOkay:
    case kClse:
    case kWrte:
      return true;
    default:
      return false;
  }
}

Header read_header(std::string_view bytes) {
  Header header;
  std::memcpy(&header, bytes.data(), kHeaderSize);
  return header;
}

}  // namespace

std::uint32_t checksum(std::string_view payload) {
  std::uint32_t sum = 0;
  for (const char c : payload) sum += static_cast<std::uint8_t>(c);
  return sum;
}

void append_packet(std::string& out, Command command, std::uint32_t arg0, std::uint32_t arg1,
                   std::string_view payload, bool with_checksum) {
  const Header header{.command = command,
                      .arg0 = arg0,
                      .arg1 = arg1,
                      .length = static_cast<std::uint32_t>(payload.size()),
                      .check = with_checksum ? checksum(payload) : 0,
                      .magic = ~static_cast<std::uint32_t>(command)};
  out.append(reinterpret_cast<const char*>(&header), kHeaderSize);
  out.append(payload);
}

Result<> PacketReader::check(const Header& header) const {
  if (header.magic != ~header.command) return failure(Errc::kProtocol, "wrong magic in a packet");
  if (!known(header.command)) return failure(Errc::kProtocol, "unknown packet command");
  if (header.length > max_payload_) return failure(Errc::kProtocol, "packet over the agreed size");
  return {};
}

void PacketReader::fill_partial(std::string_view& bytes, std::size_t size) {
  const std::size_t take = std::min(bytes.size(), size - partial_.size());
  partial_.append(bytes.substr(0, take));
  bytes.remove_prefix(take);
}

Result<bool> PacketReader::next(std::string_view& bytes, Header& header, std::string_view& payload) {
  if (partial_done_) {
    partial_done_ = false;
    std::string().swap(partial_);
  }
  if (partial_.empty() && bytes.size() >= kHeaderSize) {
    header = read_header(bytes);
    if (auto ok = check(header); !ok) return tl::unexpected(ok.error());
    const std::size_t size = kHeaderSize + header.length;
    if (bytes.size() >= size) {
      payload = bytes.substr(kHeaderSize, header.length);
      bytes.remove_prefix(size);
      return true;
    }
  }
  if (partial_.size() < kHeaderSize) {
    fill_partial(bytes, kHeaderSize);
    if (partial_.size() < kHeaderSize) return false;
    header = read_header(partial_);
    // The limit may have changed since the first byte of this header came, never since its last.
    if (auto ok = check(header); !ok) return tl::unexpected(ok.error());
  } else {
    header = read_header(partial_);
  }
  const std::size_t size = kHeaderSize + header.length;
  fill_partial(bytes, size);
  if (partial_.size() < size) return false;
  payload = std::string_view(partial_).substr(kHeaderSize);
  partial_done_ = true;
  return true;
}

}  // namespace drover::adb
