#include "http/access_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/token_text.h"

namespace drover::http {
namespace {

constexpr std::size_t kLongestPath = 256;
constexpr std::size_t kLongestMethod = 16;

// What a client sent: cut, and without bytes that a log reader could trip over.
void append_text(std::string& line, std::string_view text, std::size_t limit) {
  if (text.empty()) {
    line += '-';
    return;
  }
  const std::size_t from = line.size();
  line.append(text.substr(0, limit));
  for (std::size_t i = from; i < line.size(); ++i) {
    if (line[i] < 0x21 || line[i] > 0x7e) line[i] = '?';
  }
  if (text.size() > limit) line += "...";
}

void append_millis(std::string& line, std::chrono::nanoseconds duration) {
  const auto micros = static_cast<std::uint64_t>(duration.count() > 0 ? duration.count() / 1000 : 0);
  const fmt::format_int whole(micros / 1000);
  const unsigned rest = micros % 1000;
  const char fraction[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10)};
  line.append(whole.data(), whole.size()).append(fraction, sizeof(fraction)).append("ms ");
}

}  // namespace

AccessLog::AccessLog(bool enabled) : enabled_(enabled), logger_(spdlog::default_logger()) {}

void AccessLog::write(const AccessEntry& entry) {
  if (!enabled_) return;
  // Under overload 503 is what most clients get, and each line at warn is written at once.
  const bool fault = entry.status >= 500 && entry.status != 503;
  const auto level = fault ? spdlog::level::warn : spdlog::level::info;
  if (!logger_->should_log(level)) return;

  line_.clear();
  append_text(line_, entry.method, kLongestMethod);
  line_ += ' ';
  const std::size_t path = line_.size();
  append_text(line_, entry.path, kLongestPath);
  hide_tokens(line_, path);
  line_ += ' ';
  const fmt::format_int status(entry.status);
  line_.append(status.data(), status.size()).append(" ");
  const fmt::format_int bytes(entry.bytes);
  line_.append(bytes.data(), bytes.size()).append("B ");
  append_millis(line_, entry.duration);
  line_.append(entry.request_id).append(" ").append(entry.peer);
  logger_->log(level, spdlog::string_view_t(line_.data(), line_.size()));
}

}  // namespace drover::http
