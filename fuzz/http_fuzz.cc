// What a client sends, read twice: in one go, and in pieces whose size the first byte says. Both must find
// the same requests (what is refused may be refused sooner or later), and every view must stay inside what
// was sent. An answer of these bytes must come out of gzip as it went in.
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"
#include "http/gzip.h"
#include "http/request_id.h"
#include "http/target.h"

namespace {

using drover::http::Exchange;
using Step = Exchange::Step;

constexpr std::size_t kMaxHeader = 1024;
constexpr std::size_t kMaxBody = 4096;

void describe(const Exchange& exchange, std::string& out) {
  out.append(exchange.method_text())
      .append(" ")
      .append(exchange.raw_path())
      .append("?")
      .append(exchange.raw_query())
      .append(" ");
  out.append(exchange.request_id()).append(" ");
  out.append(exchange.query("q").value_or("-")).append(" ").append(exchange.header("x-a").value_or("-"));
  out.append(" ").append(exchange.body()).append("\n");
  out.append(exchange.accepts_gzip() ? "gzip" : "as it is")
      .append(std::to_string(exchange.header_count("x-a")));
  if (exchange.body().size() > kMaxBody + kMaxHeader + 8192) std::abort();
  if (!exchange.raw_path().starts_with('/')) std::abort();
  if ((exchange.header_count("x-a") == 0) != !exchange.header("x-a")) std::abort();
}

void check_gzip(std::string_view bytes) {
  const auto packed = drover::http::gzip(bytes);
  if (!packed) return;
  if (packed->size() >= bytes.size()) std::abort();
  std::string text(bytes.size() + 1, '\0');
  z_stream stream{};
  inflateInit2(&stream, MAX_WBITS + 16);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed->data()));
  stream.avail_in = static_cast<uInt>(packed->size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int state = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  if (state != Z_STREAM_END || text != bytes) std::abort();
}

std::string read(std::string_view bytes, std::size_t piece) {
  static const drover::http::Router router;
  Exchange exchange(kMaxHeader);
  std::string out;
  bool unparsed = false;
  for (;;) {
    if (!unparsed) {
      if (bytes.empty()) return out;
      const auto space = exchange.space();
      if (space.empty()) std::abort();
      const std::size_t size = std::min({piece, space.size(), bytes.size()});
      std::memcpy(space.data(), bytes.data(), size);
      exchange.commit(size);
      bytes.remove_prefix(size);
      unparsed = true;
    }
    switch (exchange.parse()) {
      case Step::kMore:
        unparsed = false;
        break;
      case Step::kHead:
        exchange.route(router.impl());
        exchange.set_max_body(kMaxBody);
        if (exchange.content_length() > kMaxBody) return out;
        break;
      case Step::kComplete:
        describe(exchange, out);
        exchange.next();
        unparsed = exchange.begun();
        break;
      case Step::kBad:
        if (exchange.has_request_id() && !drover::http::is_request_id(exchange.request_id())) std::abort();
        return out;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read(bytes, bytes.size() + 1);
  const std::string pieces = read(bytes, 1 + data[0] % 64);
  if (whole != pieces) std::abort();
  check_gzip(bytes);
  return 0;
}
