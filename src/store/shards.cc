#include "store/shards.h"

namespace drover::store {

std::uint8_t shard_of(std::int64_t project, std::string_view instance) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  const auto add = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 1'099'511'628'211u; };
  for (int i = 0; i < 8; ++i) add(static_cast<std::uint8_t>(static_cast<std::uint64_t>(project) >> (8 * i)));
  for (const char c : instance) add(static_cast<std::uint8_t>(c));
  for (const std::uint64_t factor : {0xff51afd7ed558ccdu, 0xc4ceb9fe1a85ec53u}) {
    hash ^= hash >> 33;
    hash *= factor;
  }
  return static_cast<std::uint8_t>((hash ^ hash >> 33) >> 56);
}

}  // namespace drover::store
