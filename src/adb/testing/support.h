// For tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adb/key.h"
#include "adb/shell.h"

namespace drover::adb {

// Signs with its name, so that a test sees which key was tried.
class FakeKey final : public Key {
 public:
  explicit FakeKey(std::string name) : name_(std::move(name)) {}
  std::string sign(std::string_view token) const override { return name_ + std::string(token); }
  std::string public_line(std::string_view) const override { return {}; }

 private:
  std::string name_;
};

inline std::shared_ptr<const KeyRing> fake_keys(const std::vector<std::string>& names) {
  std::vector<std::unique_ptr<Key>> keys;
  keys.reserve(names.size());
  for (const std::string& name : names) keys.push_back(std::make_unique<FakeKey>(name));
  return std::make_shared<KeyRing>(std::move(keys));
}

// Notes what is told of one shell.
class Notes final : public ShellEvents {
 public:
  void on_output(Output from, std::string_view bytes) override {
    (from == Output::kStdout ? out : err) += bytes;
    if (during_output) during_output();
  }
  void on_end(const ShellEnd& e) override {
    EXPECT_FALSE(end) << "told twice";
    end = e;
    if (during_end) during_end();
  }
  std::error_code why() const { return end ? end->why : std::error_code(); }

  std::string out, err;
  std::optional<ShellEnd> end;
  std::function<void()> during_output, during_end;
};

inline constexpr std::string_view kModernBanner = "device::ro.product.model=Test;features=shell_v2,cmd";
inline constexpr std::string_view kOldBanner = "device::ro.product.model=Old;";

// One packet of shell_v2.
inline std::string shell_v2_packet(char id, std::string_view data) {
  std::string packet(1, id);
  for (unsigned shift = 0; shift < 32; shift += 8) packet += static_cast<char>(data.size() >> shift);
  return packet.append(data);
}

}  // namespace drover::adb
