#include "base/timer_wheel.h"

namespace drover {

void TimerNode::insert_before(TimerNode& at) {
  prev = at.prev;
  next = &at;
  at.prev->next = this;
  at.prev = this;
}

void TimerNode::unlink() {
  prev->next = next;
  next->prev = prev;
  next = prev = this;
}

void Timer::cancel() {
  if (wheel_ == nullptr) return;
  --wheel_->armed_;
  wheel_ = nullptr;
  unlink();
}

TimerWheel::~TimerWheel() {
  for (TimerNode& slot : slots_) {
    while (slot.next != &slot) static_cast<Timer&>(*slot.next).cancel();
  }
}

void TimerWheel::schedule(Timer& timer, SteadyTime at) {
  timer.cancel();
  const auto since = at - start_;
  const auto round_up = kTick - SteadyTime::duration(1);
  std::uint64_t tick = since.count() <= 0 ? 0 : static_cast<std::uint64_t>((since + round_up) / kTick);
  if (tick <= now_) tick = now_ + 1;
  timer.tick_ = tick;
  timer.wheel_ = this;
  timer.insert_before(slots_[tick % kSlots]);
  ++armed_;
}

SteadyTime TimerWheel::next_visit() const {
  std::uint64_t tick = now_ + 1;
  while (tick < now_ + kSlots && slots_[tick % kSlots].next == &slots_[tick % kSlots]) ++tick;
  return start_ + tick * kTick;
}

void TimerWheel::advance(SteadyTime now) {
  if (now <= start_) return;
  const auto target = static_cast<std::uint64_t>((now - start_) / kTick);
  if (armed_ == 0) {
    now_ = target > now_ ? target : now_;
    return;
  }
  // After a long pause every slot is visited once: what was due in any earlier turn is due now.
  if (target > now_ + kSlots) now_ = target - kSlots;
  while (now_ < target) {
    ++now_;
    TimerNode& slot = slots_[now_ % kSlots];
    if (slot.next == &slot) continue;
    // The slot's list goes aside: what fires may arm timers for this very slot, one turn later.
    TimerNode due;
    due.insert_before(slot);
    slot.unlink();
    while (due.next != &due) {
      auto& timer = static_cast<Timer&>(*due.next);
      if (timer.tick_ > target) {  // of a later turn: back it goes
        timer.unlink();
        timer.insert_before(slot);
        continue;
      }
      timer.cancel();
      timer.fire_();
    }
  }
}

}  // namespace drover
