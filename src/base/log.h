// Logging: spdlog's default logger, written by us to standard error in batches.
//
// Use spdlog::info(...) and friends anywhere. Never log a command's output, a token or a key.
#pragma once

#include <string>

#include "base/result.h"

namespace drover {

enum class LogFormat { kText, kJson };

struct LogOptions {
  std::string level = "info";  // trace, debug, info, warn, error, off
  LogFormat format = LogFormat::kText;
};

// Sets up the default logger. Lines stay in memory until 64 KiB are there, a warning comes or flush_log() is
// called; a server calls that every 100 ms. Text lines have control characters and backslashes escaped, so
// that none can forge another.
Result<> start_logging(const LogOptions& options);

// Writes what is still buffered. Call before exit.
void flush_log();

// `text` as the inside of a JSON string, for values that go into a JSON log line. Bytes that are no UTF-8 are
// replaced.
std::string json_escape(std::string_view text);

}  // namespace drover
