// How phones are linked, told by the owners of their shards.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "store/cluster.h"
#include "store/postgres/unit.h"
#include "store/postgres/write.h"

namespace drover::store::postgres {

class PutPhoneStates final : public Write {
 public:
  PutPhoneStates(std::vector<PhoneState> states, Done<> done)
      : states_(std::move(states)), done_(std::move(done)) {}
  WriteSize size() const override { return {states_.size(), 0}; }
  void add_to(Group& group) override;
  void finish(const Result<>& committed, const Answer&) override { done_(committed); }

 private:
  std::vector<PhoneState> states_;
  Done<> done_;
};

void add_phone_states_read(Unit& unit, std::span<const std::int64_t> instances);
std::vector<PhoneState> phone_states_of(const Rows& rows);

}  // namespace drover::store::postgres
