#include "sim/phone.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

namespace drover::sim {
namespace {

constexpr int kFirstPid = 2000;
constexpr int kLastPid = 32767;  // the kernel's default pid_max
constexpr std::size_t kMaxSettings = 256;
constexpr std::size_t kMaxSettingSize = 1024;

// splitmix64 (Steele, Lea and Flood): spreads a counter over all 64 bits.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Phone::Phone(std::uint32_t index, std::uint64_t seed, const Clock& clock)
    : clock_(clock),
      booted_(clock.steady()),
      seed_(seed),
      index_(index),
      last_pid_(kFirstPid + static_cast<int>(index % 1000)) {}

Phone::~Phone() = default;

std::string Phone::serial() const { return fmt::format("SIM{:08d}", index_); }

std::string Phone::boot_id() const {
  const std::uint64_t high = mix(seed_ ^ (std::uint64_t{index_} << 32 | boots_));
  const std::uint64_t low = mix(high);
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xfff,
                     (low >> 48 & 0x3fff) | 0x8000, low & 0xffffffffffff);
}

double Phone::uptime_seconds() const {
  return std::chrono::duration<double>(clock_.steady() - booted_).count();
}

bool Phone::set(std::string_view key, std::string_view value) {
  if (key.size() + value.size() > kMaxSettingSize) return false;
  if (!settings_) settings_ = std::make_unique<Settings>();
  if (settings_->size() >= kMaxSettings && !settings_->contains(key)) return false;
  settings_->insert_or_assign(std::string(key), std::string(value));
  return true;
}

Command* Phone::find(int pid) const {
  const auto found =
      std::find_if(running_.begin(), running_.end(), [pid](const Command* c) { return c->pid() == pid; });
  return found == running_.end() || (*found)->ended() ? nullptr : *found;
}

int Phone::new_pid() {
  do {
    last_pid_ = last_pid_ == kLastPid ? kFirstPid : last_pid_ + 1;
  } while (find(last_pid_) != nullptr);
  return last_pid_;
}

void Phone::leave(Command& command) { std::erase(running_, &command); }

bool Phone::signal(int pid, int number) {
  Command* command = find(pid);
  if (command == nullptr) return false;
  if (number == 0) return true;
  command->signal(number);
  if (command->ended()) release(*command);
  return true;
}

std::unique_ptr<Command> Phone::release(Command& command) {
  const auto found =
      std::find_if(orphans_.begin(), orphans_.end(), [&](const auto& c) { return c.get() == &command; });
  if (found == orphans_.end()) return nullptr;
  std::unique_ptr<Command> released = std::move(*found);
  orphans_.erase(found);
  return released;
}

std::size_t Phone::running() const {
  return static_cast<std::size_t>(
      std::count_if(running_.begin(), running_.end(), [](const Command* c) { return !c->ended(); }));
}

void Phone::restart() {
  for (std::size_t i = running_.size(); i-- > 0;) signal(running_[i]->pid(), SIGKILL);
  settings_.reset();
  booted_ = clock_.steady();
  ++boots_;
}

}  // namespace drover::sim
