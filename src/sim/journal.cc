#include "sim/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "sim/errc.h"

namespace drover::sim {
namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          out.push_back(c);
        }
    }
  }
}

}  // namespace

Result<Journal> Journal::open(const std::string& path) {
  if (path.empty()) return Journal(-1);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return failure(Errc::kFile, fmt::format("{}: {}", path, std::strerror(errno)));
  return Journal(fd);
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), pending_(std::move(other.pending_)) {}

Journal::~Journal() {
  flush();
  if (fd_ >= 0) ::close(fd_);
}

void Journal::record(std::int64_t unix_ms, std::size_t phone, int pid, std::string_view command) {
  if (fd_ < 0) return;
  fmt::format_to(std::back_inserter(pending_), "{} {} {} ", unix_ms, phone, pid);
  append_escaped(pending_, command);
  pending_.push_back('\n');
}

bool Journal::flush() {
  std::size_t written = 0;
  bool ok = true;
  while (ok && written < pending_.size()) {
    const ssize_t n = ::write(fd_, pending_.data() + written, pending_.size() - written);
    if (n > 0) {
      written += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      spdlog::error("the journal cannot be written, so the simulated phones do not answer: {}",
                    std::strerror(errno));
      ok = false;
    }
  }
  pending_.erase(0, written);
  return ok;
}

}  // namespace drover::sim
