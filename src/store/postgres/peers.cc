#include "store/postgres/peers.h"

namespace drover::store::postgres {

std::vector<const OtherNode*> Peers::serving() const {
  std::vector<const OtherNode*> nodes;
  for (const OtherNode& other : news.others)
    if (other.seen != 0 && other.left_ms > 0) nodes.push_back(&other);
  return nodes;
}

std::vector<const OtherNode*> Peers::takers() const {
  std::vector<const OtherNode*> nodes = serving();
  std::erase_if(nodes, [](const OtherNode* node) { return node->leaving; });
  return nodes;
}

}  // namespace drover::store::postgres
