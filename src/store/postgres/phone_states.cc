#include "store/postgres/phone_states.h"

#include <optional>
#include <string_view>

namespace drover::store::postgres {
namespace {

// In the order of their numbers, so that two nodes do not wait for each other. The lock keeps an instance
// from being removed until its state is there to be removed with it.
const Statement kPutStates{
    "put_phone_states",
    "INSERT INTO drover.phone_state(instance, since_ms, state, why, model)"
    " SELECT a, b, c, d, e FROM unnest($1::int8[], $2::int8[], $3::int4[], $4::bytea[], $5::bytea[])"
    " AS row(a, b, c, d, e) JOIN drover.instance i ON i.seq = a ORDER BY a FOR KEY SHARE OF i"
    " ON CONFLICT(instance) DO UPDATE SET since_ms = excluded.since_ms,"
    " state = excluded.state, why = excluded.why, model = excluded.model"};
const Statement kReadStates{
    "read_phone_states",
    "SELECT instance, since_ms, state, why, model FROM drover.phone_state WHERE instance = ANY($1)"};

}  // namespace

void PutPhoneStates::add_to(Group& group) {
  std::vector<std::int64_t> instance, since;
  std::vector<std::int32_t> state;
  std::vector<std::optional<std::string_view>> why, model;
  for (const PhoneState& each : states_) {
    instance.push_back(each.instance);
    since.push_back(each.since_ms);
    state.push_back(each.state);
    why.emplace_back(each.why);
    model.emplace_back(each.model);
  }
  Params params;
  params.add(instance).add(since).add_int4s(state).add_bytes(why).add_bytes(model);
  group.unit.add(kPutStates, std::move(params));
}

void add_phone_states_read(Unit& unit, std::span<const std::int64_t> instances) {
  Params params;
  params.add(instances);
  unit.add(kReadStates, std::move(params));
}

std::vector<PhoneState> phone_states_of(const Rows& rows) {
  std::vector<PhoneState> states;
  for (int row = 0; row < rows.size(); ++row) {
    states.push_back({rows.integer(row, 0), rows.integer(row, 1),
                      static_cast<std::uint8_t>(rows.integer(row, 2)), std::string(rows.bytes(row, 3)),
                      std::string(rows.bytes(row, 4))});
  }
  return states;
}

}  // namespace drover::store::postgres
