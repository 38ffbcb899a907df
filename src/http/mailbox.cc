#include "http/mailbox.h"

#include "http/connection.h"

namespace drover::http {
namespace {

thread_local const Mailbox* own_mailbox = nullptr;

}  // namespace

void Mailbox::put(Letter letter) {
  const std::lock_guard lock(mutex_);
  if (!loop_) return;
  waiting_.push_back(std::move(letter));
  if (waiting_.size() == 1) loop_->post([this] { deliver(); });
}

void Mailbox::close() {
  std::vector<Letter> dropped;
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
  dropped.swap(waiting_);
}

void Mailbox::adopt_thread() { own_mailbox = this; }
bool Mailbox::is_own_thread() const { return own_mailbox == this; }

void Mailbox::deliver() {
  {
    const std::lock_guard lock(mutex_);
    reading_.swap(waiting_);
  }
  for (Letter& letter : reading_) letter.to->answer(std::move(letter.response));
  reading_.clear();
}

}  // namespace drover::http
