#include "store/postgres/lease.h"

#include <utility>

namespace drover::store::postgres {
namespace {

const Statement kRenew{
    "renew_lease",
    "UPDATE drover.node SET expires_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE epoch = $1"};

}  // namespace

Unit take_lease(const std::string& node_id, const std::string& node_name) {
  Unit unit;
  Params params;
  params.add_text(node_id).add_text(node_name).add(static_cast<std::int64_t>(kLeaseTime.count()));
  unit.add("SELECT granted, holder FROM drover.take_lease($1, $2, $3)", std::move(params));
  return unit;
}

Lease::Lease(Loop& loop, Connection& connection, std::int64_t epoch, std::function<void()> lost)
    : loop_(loop), connection_(connection), epoch_(epoch), lost_(std::move(lost)), timer_([this] {
        renew();
      }) {
  loop_.schedule(timer_, kRenewEvery);
}

void Lease::renew() {
  loop_.schedule(timer_, kRenewEvery);
  if (under_way_ || !connection_.up()) return;
  under_way_ = true;
  Unit unit;
  Params params;
  params.add(epoch_).add(static_cast<std::int64_t>(kLeaseTime.count()));
  unit.add(kRenew, std::move(params));
  connection_.run(std::move(unit), [this](const Result<std::vector<Rows>>& rows) {
    under_way_ = false;
    if (!rows || rows->at(0).changed() > 0) return;  // what failed is tried again in a moment
    timer_.cancel();
    if (auto lost = std::exchange(lost_, nullptr)) lost();
  });
}

void Lease::release(std::function<void()> done) {
  timer_.cancel();
  lost_ = nullptr;
  Unit unit;
  Params params;
  params.add(epoch_);
  unit.add("DELETE FROM drover.node WHERE epoch = $1", std::move(params));
  connection_.run(std::move(unit), [done = std::move(done)](const Result<std::vector<Rows>>&) { done(); });
}

}  // namespace drover::store::postgres
