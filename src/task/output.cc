#include "task/output.h"

#include <algorithm>
#include <utility>

namespace drover::task {
namespace {

constexpr std::uint64_t kFnvPrime = 0x100000001B3;

void mix(std::uint64_t& hash, std::string_view bytes) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
}

}  // namespace

bool OutputBudget::take(std::size_t bytes) {
  if (bytes > limit_ - std::min(used_, limit_)) return false;
  used_ += bytes;
  return true;
}

JobOutput::~JobOutput() { budget_.give_back(taken_); }

bool JobOutput::take(std::size_t bytes) {
  const std::size_t free_of_charge = kept_ < kOwn ? kOwn - kept_ : 0;
  const std::size_t charged = bytes > free_of_charge ? bytes - free_of_charge : 0;
  if (charged > 0 && !budget_.take(charged)) return false;
  taken_ += charged;
  kept_ += bytes;
  return true;
}

void JobOutput::append(adb::Output from, std::string_view bytes) {
  Stream& to = stream(from);
  total_ += bytes.size();
  mix(to.hash, bytes);
  if (shown_.size() < kShown) shown_.append(bytes.substr(0, kShown - shown_.size()));

  if (!tail_) {
    const std::size_t room = half_ - out_.head.size() - err_.head.size();
    const std::string_view head = bytes.substr(0, room);
    if (take(head.size())) {
      to.head.append(head);
      bytes.remove_prefix(head.size());
    }
    if (bytes.empty()) return;
    tail_ = std::make_unique<std::deque<Piece>>();
  }
  append_tail(from, bytes);
}

void JobOutput::append_tail(adb::Output from, std::string_view bytes) {
  if (bytes.size() > half_) {
    stream(from).omitted += bytes.size() - half_;
    bytes.remove_prefix(bytes.size() - half_);
  }
  if (tail_bytes_ + bytes.size() > half_) drop_oldest(tail_bytes_ + bytes.size() - half_);
  if (tail_->size() >= kMaxPieces) drop_oldest(tail_->front().bytes.size());
  if (!take(bytes.size())) {
    stream(from).omitted += bytes.size();
    return;
  }
  if (tail_->empty() || tail_->back().from != from || tail_->back().bytes.size() >= kPiece) {
    tail_->push_back({from, {}});
  }
  tail_->back().bytes.append(bytes);
  tail_bytes_ += bytes.size();
}

void JobOutput::drop_oldest(std::size_t bytes) {
  while (bytes > 0 && !tail_->empty()) {
    Piece& oldest = tail_->front();
    const std::size_t part = std::min(bytes, oldest.bytes.size());
    stream(oldest.from).omitted += part;
    tail_bytes_ -= part;
    kept_ -= part;
    const std::size_t refund = std::min(part, taken_);
    budget_.give_back(refund);
    taken_ -= refund;
    bytes -= part;
    if (part == oldest.bytes.size()) {
      tail_->pop_front();
    } else {
      oldest.bytes.erase(0, part);
    }
  }
}

store::StreamOutput JobOutput::collect(adb::Output from) {
  Stream& kept = stream(from);
  store::StreamOutput output{std::move(kept.head), kept.omitted, 0};
  if (kept.omitted > 0) output.omitted_at = output.bytes.size();
  if (!tail_) return output;
  for (const Piece& piece : *tail_) {
    if (piece.from == from) output.bytes += piece.bytes;
  }
  return output;
}

void JobOutput::move_into(store::JobOutcome& outcome) {
  outcome.shown = std::move(shown_);
  outcome.output_bytes = total_;
  outcome.output_hash = out_.hash ^ (err_.hash * kFnvPrime);
  outcome.out = collect(adb::Output::kStdout);
  outcome.err = collect(adb::Output::kStderr);
}

}  // namespace drover::task
