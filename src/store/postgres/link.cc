#include "store/postgres/link.h"

namespace drover::store::postgres {

Link::Link(Loop& loop, const std::string& conninfo, const std::string& name, Kind kind)
    : kind_(kind), connection_(loop, {.conninfo = conninfo, .application_name = name}, this) {}

void Link::start(std::function<void(Result<>)> first) {
  first_ = std::move(first);
  connection_.start();
}

void Link::on_up() {
  up_.store(true, std::memory_order_release);
  Unit settings;
  // Plans are kept as long as the connection. They are not to depend on how little a table held when they
  // were made: what has an index is found by it, row by row.
  for (const char* setting : {"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"})
    settings.add(std::string("SET ") + setting + " = off");
  settings.add("SET plan_cache_mode = force_generic_plan");
  if (kind_ == Kind::kReader) {
    settings.add("SET default_transaction_isolation = 'repeatable read'");
    settings.add("SET default_transaction_read_only = on");
  }
  if (kind_ == Kind::kLease) settings.add(std::string("LISTEN ") + kChannel);
  connection_.run(std::move(settings), [](const Result<std::vector<Rows>>&) {});
  if (auto first = std::exchange(first_, nullptr)) return first({});
  if (came_up) came_up();
}

void Link::on_down(const Error& why) {
  up_.store(false, std::memory_order_release);
  if (auto first = std::exchange(first_, nullptr)) return first(tl::make_unexpected(why));
  if (went_down) went_down(why);
}

void Link::on_notice(const std::string&, const std::string& payload) {
  if (noticed) noticed(payload);
}

}  // namespace drover::store::postgres
