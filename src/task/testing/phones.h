// For tests: simulated phones, a folder, and keys to knock at the phones with.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adb/key.h"
#include "base/loop.h"
#include "base/loop_call.h"
#include "sim/simulator.h"
#include "task/testing/turned_clock.h"

namespace drover::task {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-engine-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::shared_ptr<const adb::KeyRing> shared_keys() {
  static const std::shared_ptr<const adb::KeyRing> keys = [] {
    const TempDir dir;
    std::vector<std::unique_ptr<adb::Key>> made;
    made.push_back(std::move(*adb::load_or_make_key(dir / "adbkey")));
    return std::make_shared<const adb::KeyRing>(std::move(made));
  }();
  return keys;
}

// Phones that stay while nodes come and go.
class Phones {
 public:
  explicit Phones(std::size_t count) : loop_(clock_, "phones") {
    sim::SimOptions options;
    options.phones = count;
    options.journal = dir_ / "journal";
    on_loop([&] { sim_ = std::move(*sim::Simulator::start(loop_.loop(), options)); });
  }
  ~Phones() {
    on_loop([&] {
      sim_.reset();
      waker_.cancel();
    });
  }

  std::string address(std::size_t phone) const { return "adb://" + sim_->address_of(phone); }
  void fault(std::size_t first, std::size_t last, const char* text) {
    on_loop([&] { sim_->set_fault(sim::PhoneRange::only(first, last), *sim::parse_fault(text)); });
  }
  void clear() {
    on_loop([&] { sim_->clear_faults(sim::PhoneRange::all(), std::nullopt); });
  }
  // So much time goes by on the phones alone: what has begun to sleep for so long is woken.
  void pass(Millis time) {
    on_loop([&] {
      // The loop sleeps by the kernel's clock, however far its own is turned.
      loop_.loop().schedule(waker_, TimerWheel::kTick);
      clock_.turn(time);
    });
  }
  // What the phones say was begun, a line each: "UNIX_MS PHONE PID COMMAND".
  std::ifstream journal() const { return std::ifstream(dir_ / "journal"); }
  // How often a command that contains `text` was begun.
  int begun(const std::string& text) const {
    std::ifstream lines = journal();
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line.find(text) != std::string::npos ? 1 : 0;
    return count;
  }

 private:
  void on_loop(const std::function<void()>& fn) { call_on(loop_.loop(), fn); }

  TurnedClock clock_;
  TempDir dir_;
  LoopThread loop_;
  Timer waker_{[] {}};
  std::unique_ptr<sim::Simulator> sim_;
};

}  // namespace drover::task
