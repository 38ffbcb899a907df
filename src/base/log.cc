#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <mutex>

#include "base/utf8.h"

namespace drover {
namespace {

// Collects lines and writes them to standard error in one call: a line a request must not cost a system call
// each.
class BatchingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  ~BatchingSink() override { write_out(); }

 private:
  static constexpr std::size_t kBatch = 64 * 1024;

  void sink_it_(const spdlog::details::log_msg& msg) override {
    formatter_->format(msg, buffer_);
    if (buffer_.size() >= kBatch) write_out();
  }

  void flush_() override { write_out(); }

  void write_out() {
    const char* at = buffer_.data();
    std::size_t left = buffer_.size();
    while (left > 0) {
      const ssize_t n = ::write(STDERR_FILENO, at, left);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) break;  // nobody reads our log: go on without
      at += n;
      left -= static_cast<std::size_t>(n);
    }
    buffer_.clear();
  }

  spdlog::memory_buf_t buffer_;
};

// The inside of a JSON string; without `quotes` these stay as they are, and the rest is the same.
std::string escape(std::string_view text, bool quotes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (const char c : to_utf8(text)) {
    switch (c) {
      case '"':
        out += quotes ? "\\\"" : "\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += "\\u00";
          out += kDigits[static_cast<unsigned char>(c) >> 4];
          out += kDigits[c & 15];
        } else {
          out += c;
        }
    }
  }
  return out;
}

class EscapedMessage final : public spdlog::custom_flag_formatter {
 public:
  explicit EscapedMessage(bool quotes) : quotes_(quotes) {}

  void format(const spdlog::details::log_msg& msg, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = escape({msg.payload.data(), msg.payload.size()}, quotes_);
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<EscapedMessage>(quotes_);
  }

 private:
  const bool quotes_;
};

std::unique_ptr<spdlog::formatter> make_formatter(LogFormat format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<EscapedMessage>('*', format == LogFormat::kJson);
  formatter->set_pattern(format == LogFormat::kJson
                             ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%*"})"
                             : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %*");
  return formatter;
}

}  // namespace

Result<> start_logging(const LogOptions& options) {
  const auto level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off && options.level != "off") {
    return failure(std::make_error_code(std::errc::invalid_argument),
                   "log level must be trace, debug, info, warn, error or off");
  }
  auto logger = std::make_shared<spdlog::logger>("drover", std::make_shared<BatchingSink>());
  logger->set_formatter(make_formatter(options.format));
  logger->set_level(level);
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

void flush_log() { spdlog::default_logger()->flush(); }

std::string json_escape(std::string_view text) { return escape(text, true); }

}  // namespace drover
