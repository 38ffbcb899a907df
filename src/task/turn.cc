#include "task/turn.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace drover::task {
namespace {

// Of numbers, and of what a row costs.
constexpr std::size_t kOutcomeBytes = 256;

template <typename T>
void move_tail(std::vector<T>& from, std::size_t at, std::vector<T>& to) {
  const auto tail = from.begin() + static_cast<std::ptrdiff_t>(at);
  to.assign(std::make_move_iterator(tail), std::make_move_iterator(from.end()));
  from.erase(tail, from.end());
}

// `batch[i]` and `own[i]` are of one task.
template <typename T, typename Own, typename Refused>
void drop(std::vector<T>& batch, std::vector<Own>& own, const Refused& refused) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (refused(own[i])) continue;
    if (kept != i) {
      batch[kept] = std::move(batch[i]);
      own[kept] = std::move(own[i]);
    }
    ++kept;
  }
  batch.resize(kept);
  own.resize(kept);
}

}  // namespace

Turn Turn::take(std::size_t most) {
  std::size_t bytes = 0;
  std::size_t output = 0;
  std::size_t count = 0;
  for (const auto& [job, outcome, id] : batch.ended) {
    const std::size_t own = outcome.out.bytes.size() + outcome.err.bytes.size();
    bytes += kOutcomeBytes + own + outcome.shown.size() + outcome.message.size();
    if (count > 0 && bytes > most) break;
    output += own;
    ++count;
  }
  Turn taken = std::exchange(*this, {});
  if (count == taken.ended.size()) return taken;
  move_tail(taken.batch.ended, count, batch.ended);
  move_tail(taken.ended, count, ended);
  batch.finished.swap(taken.batch.finished);
  finished.swap(taken.finished);
  batch.parted.swap(taken.batch.parted);
  parted.swap(taken.parted);
  told.swap(taken.told);
  output_held = taken.output_held - std::min(taken.output_held, output);
  taken.output_held -= output_held;
  return taken;
}

void Turn::drop_refused() {
  drop(batch.ended, ended, [](const JobRef& job) { return job.task->refused; });
  drop(batch.finished, finished, [](const OpenTaskPtr& task) { return task->refused; });
  drop(batch.parted, parted, [](const OpenTaskPtr& task) { return task->refused; });
}

}  // namespace drover::task
