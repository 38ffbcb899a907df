#include "http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "http/answer.h"

namespace drover::http {
namespace {

// Answers repeat themselves so much that better levels gain little and cost several times as much.
constexpr int kLevel = 1;
constexpr int kGzipFormat = MAX_WBITS + 16;
constexpr std::size_t kPiece = std::size_t{32} * 1024;

class Compressor {
 public:
  Compressor() {
    good_ = deflateInit2(&stream_, kLevel, Z_DEFLATED, kGzipFormat, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) ==
            Z_OK;
  }
  ~Compressor() {
    if (good_) deflateEnd(&stream_);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Stops as soon as it has become as long as `text`.
  std::optional<std::string> run(std::string_view text) {
    if (!good_ || text.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
    deflateReset(&stream_);
    // zlib's own type for it; it is not written to.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    std::string out;
    while (out.size() < text.size()) {
      const std::size_t room = std::min(piece_.size(), text.size() - out.size());
      stream_.next_out = piece_.data();
      stream_.avail_out = static_cast<uInt>(room);
      const int state = deflate(&stream_, Z_FINISH);
      out.append(reinterpret_cast<const char*>(piece_.data()), room - stream_.avail_out);
      if (state == Z_STREAM_END) break;
      if (state != Z_OK) return std::nullopt;
    }
    if (out.size() >= text.size()) return std::nullopt;
    return out;
  }

 private:
  z_stream stream_{};
  bool good_;
  std::array<Bytef, kPiece> piece_;
};

// The shared body that was compressed last, and what became of it.
struct Last {
  std::weak_ptr<const std::string> body;
  std::weak_ptr<const std::string> compressed;
};

std::shared_ptr<const std::string> gzip_shared(const std::shared_ptr<const std::string>& body) {
  thread_local Last last;
  if (last.body.lock() == body) {
    if (auto compressed = last.compressed.lock()) return compressed;
  }
  auto text = gzip(*body);
  if (!text) return nullptr;
  auto compressed = std::make_shared<const std::string>(std::move(*text));
  last = {body, compressed};
  return compressed;
}

}  // namespace

std::optional<std::string> gzip(std::string_view text) {
  thread_local const auto compressor = std::make_unique<Compressor>();
  return compressor->run(text);
}

void gzip_body(Response& response) {
  if (!response.content_encoding.empty() || !may_have_body(response.status)) return;
  if (body_of(response).size() < kLeastGzip) return;
  if (response.shared_body) {
    auto compressed = gzip_shared(response.shared_body);
    if (!compressed) return;
    response.shared_body = std::move(compressed);
  } else {
    auto compressed = gzip(response.body);
    if (!compressed) return;
    response.body = std::move(*compressed);
  }
  response.content_encoding = "gzip";
}

}  // namespace drover::http
