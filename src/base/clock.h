// Time as Drover reads it. Deadlines are measured on the steady clock; what people see is wall time, UTC.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace drover {

using SteadyTime = std::chrono::steady_clock::time_point;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

// A seam for tests. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady() const { return std::chrono::steady_clock::now(); }
  // Milliseconds since 1970-01-01 UTC, and never less than 1: in records 0 stands for "not yet". It may jump.
  virtual std::int64_t unix_ms() const;
};

// `2026-11-23T21:05:00Z`; with milliseconds `2026-11-23T21:05:00.123Z`.
std::string format_utc(std::int64_t unix_ms, bool with_millis = false);

}  // namespace drover
