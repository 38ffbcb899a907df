// For tests: a simulator on a loop of its own, and a folder that is gone afterwards.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "base/loop.h"
#include "base/testing/stoppable_clock.h"
#include "sim/simulator.h"

namespace drover::sim {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "drover-sim-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ifstream in(file(name));
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

 private:
  std::string path_;
};

class TestFleet {
 public:
  explicit TestFleet(SimOptions options) {
    run([&] {
      auto started = Simulator::start(thread_.loop(), std::move(options));
      if (started) {
        simulator_ = std::move(*started);
      } else {
        error_ = started.error();
      }
    });
  }
  explicit TestFleet(std::size_t phones) : TestFleet(SimOptions{.phones = phones}) {}
  ~TestFleet() {
    run([&] { simulator_.reset(); });
  }

  bool ok() const { return simulator_ != nullptr; }
  const Error& error() const { return error_; }
  std::string address(std::size_t phone) const { return simulator_->address_of(phone); }
  std::uint16_t port() const { return simulator_->port(); }

  void set_fault(std::size_t phone, std::string_view fault) {
    run([&] { simulator_->set_fault(PhoneRange::only(phone, phone), parse_fault(fault).value()); });
  }
  void clear(std::size_t phone) {
    run([&] { simulator_->clear_faults(PhoneRange::only(phone, phone), std::nullopt); });
  }
  SimStats stats() {
    SimStats stats;
    run([&] { stats = simulator_->stats(); });
    return stats;
  }
  // Of the simulator.
  StoppableClock& clock() { return clock_; }
  // Asks again and again, at each turn of the loop, until `holds`; false if it never does.
  template <typename Condition>
  bool reaches(Condition holds) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!holds(stats())) {
      if (std::chrono::steady_clock::now() > give_up) return false;
    }
    return true;
  }

 private:
  template <typename Fn>
  void run(Fn fn) {
    std::promise<void> done;
    thread_.loop().post([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }

  StoppableClock clock_;
  LoopThread thread_{clock_, "sim-test"};
  std::unique_ptr<Simulator> simulator_;
  Error error_;
};

}  // namespace drover::sim
