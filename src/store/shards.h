// How instances are dealt out over the nodes that share a database.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace drover::store {

inline constexpr std::size_t kShards = 256;
using ShardSet = std::bitset<kShards>;

// Nodes of all versions have to agree on it, so it never changes: FNV-1a (64 bits) of the project's number as
// eight bytes, lowest first, and the instance's id; mixed as MurmurHash3 ends (fmix64), because of ids that
// differ in their last characters only; its uppermost byte.
std::uint8_t shard_of(std::int64_t project, std::string_view instance);

}  // namespace drover::store
