#include "store/postgres/numbers.h"

#include <utility>

#include "store/errc.h"

namespace drover::store::postgres {
namespace {

constexpr std::uint32_t kBlock = 16;
constexpr std::uint32_t kStock = 4'096;

const Statement kDraw{"draw_numbers", "SELECT nextval('drover.task_block') FROM generate_series(1, $1)"};

}  // namespace

std::vector<std::int64_t> Numbers::take_from_stock(std::uint32_t count) {
  std::vector<std::int64_t> numbers;
  bool low = false;
  {
    const std::lock_guard lock(mutex_);
    if (stock_.size() < count) return {};
    numbers.assign(stock_.begin(), stock_.begin() + count);
    stock_.erase(stock_.begin(), stock_.begin() + count);
    low = stock_.size() < kStock / 2;
  }
  if (low) loop_.post([this] { fill_stock(); });
  return numbers;
}

void Numbers::take(std::uint32_t count, Taken done) {
  if (auto numbers = take_from_stock(count); numbers.size() == count) return done(std::move(numbers));
  loop_.post([this, count, done = std::move(done)]() mutable {
    // What is drawn now is larger than what the stock has or is about to get.
    bool alone = false;
    {
      const std::lock_guard lock(mutex_);
      alone = alone_;
    }
    if (!alone) return draw(count, std::move(done));
    waiting_.emplace_back(count, std::move(done));
    fill_stock();
  });
}

void Numbers::serve_waiting(const Result<>& filled) {
  for (auto& [count, done] : std::exchange(waiting_, {})) {
    if (!filled) {
      done(tl::make_unexpected(filled.error()));
      continue;
    }
    if (auto numbers = take_from_stock(count); numbers.size() == count) {
      done(std::move(numbers));
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      stock_.clear();
    }
    draw(count, std::move(done));
  }
}

void Numbers::set_alone(bool alone) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(alone_, alone) == alone) return;
    stock_.clear();
    ++times_;
  }
  if (alone) fill_stock();
}

void Numbers::draw(std::uint32_t count, Taken done) {
  Unit unit;
  Params params;
  params.add(static_cast<std::int64_t>((count + kBlock - 1) / kBlock));
  unit.add(kDraw, std::move(params));
  connection_.run(std::move(unit), [count, done = std::move(done)](const Result<std::vector<Rows>>& rows) {
    if (!rows) return done(failure(Errc::kUnavailable, rows.error().message));
    std::vector<std::int64_t> numbers;
    for (int row = 0; row < rows->at(0).size(); ++row)
      for (std::uint32_t i = 0; i < kBlock && numbers.size() < count; ++i)
        numbers.push_back(rows->at(0).integer(row, 0) * kBlock + i);
    done(std::move(numbers));
  });
}

void Numbers::fill_stock() {
  if (std::exchange(filling_, true)) return;
  std::uint64_t times = 0;
  {
    const std::lock_guard lock(mutex_);
    times = times_;
  }
  draw(kStock, [this, times](const Result<std::vector<std::int64_t>>& numbers) {
    filling_ = false;
    {
      const std::lock_guard lock(mutex_);
      // Others may have drawn larger ones, and be gone since.
      if (numbers && alone_ && times == times_) stock_.insert(stock_.end(), numbers->begin(), numbers->end());
    }
    serve_waiting(numbers.map([](const auto&) {}));
  });
}

}  // namespace drover::store::postgres
