// How phones are linked, told by the owners of their shards.
#pragma once

#include <vector>

#include "store/cluster.h"
#include "store/postgres/unit.h"
#include "store/postgres/write.h"

namespace drover::store::postgres {

// Nobody waits for it: what is not stored is told anew with the phone's next change.
class PutPhoneStates final : public Write {
 public:
  explicit PutPhoneStates(std::vector<PhoneState> states) : states_(std::move(states)) {}
  WriteSize size() const override { return {states_.size(), 0}; }
  void add_to(Group& group) override;
  void finish(const Result<>&, const Answer&) override {}

 private:
  std::vector<PhoneState> states_;
};

void add_phone_states_read(Unit& unit, std::int64_t project);
std::vector<PhoneState> phone_states_of(const Rows& rows);

}  // namespace drover::store::postgres
