// The sockets on which all phones are reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace drover::sim {

// Phone i has the address kFirstAddress + i (host byte order): 127.1.0.1 and upward.
inline constexpr std::uint32_t kFirstAddress = 0x7f010001;
inline constexpr std::size_t kMostPhones = 0x7ffffffe - kFirstAddress;

// Descriptors that the simulator keeps for itself.
inline constexpr std::size_t kOwnDescriptors = 64;

// Raises the soft limit of descriptors to the hard one and returns that.
std::size_t raise_descriptor_limit();

struct Listeners {
  Listeners() = default;
  Listeners(Listeners&& other) noexcept : sockets(std::move(other.sockets)), port(other.port) {
    other.sockets.clear();
  }
  Listeners& operator=(Listeners&&) = delete;
  ~Listeners();

  std::vector<int> sockets;  // non-blocking
  std::uint16_t port = 0;
};

// One socket, bound to the device `lo`, which takes connections to every loopback address and from nowhere
// else.
Result<Listeners> listen_on_loopback(std::uint16_t port);

// For when that is not permitted: a socket for each phone.
Result<Listeners> listen_on_each(std::size_t phones, std::uint16_t port);

// The one or the other.
Result<Listeners> listen_for(std::size_t phones, std::uint16_t port);

}  // namespace drover::sim
