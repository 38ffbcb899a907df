#include "http/parser.h"

#include <strings.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <functional>

namespace drover::http {

namespace asio = boost::asio;
namespace beast = boost::beast::http;
using ErrorCode = boost::system::error_code;

namespace {

// Each field costs more memory than its bytes; no client sends this many.
constexpr std::size_t kMaxFields = 128;

// The shortest end of a chunked body is "0\r\n\r\n". Beast asserts that all of it is there when it looks at a
// last chunk for the second time, which is not so if it is also the first.
constexpr std::size_t kLeastChunks = 5;

std::string_view to_std(boost::beast::string_view text) { return {text.data(), text.size()}; }

// What a message is gathered in; outlives the Beast parser, which is made anew for each message.
struct Message {
  Head head;
  std::string_view bytes;  // what the parser is working on
  std::string_view fault;
  std::string* body = nullptr;
  std::size_t body_limit = 0;
  bool in_body = false;
  bool too_large = false;
  bool has_host = false;
  bool has_length = false;
};

class BeastParser final : public beast::basic_parser<true> {
 public:
  explicit BeastParser(Message& message) : message_(message) {
    body_limit(boost::none);  // ours is checked where the bytes are kept
  }

 private:
  void fail(std::string_view fault, ErrorCode& error) {
    message_.fault = fault;
    error = beast::error::bad_value;
  }

  void on_request_impl(beast::verb, boost::beast::string_view method, boost::beast::string_view target,
                       int version, ErrorCode&) override {
    message_.head.method = to_std(method);
    message_.head.target = to_std(target);
    message_.head.http11 = version == 11;
  }

  void on_field_impl(beast::field field, boost::beast::string_view name, boost::beast::string_view value,
                     ErrorCode& error) override {
    if (message_.in_body) return;  // a trailer: nothing here needs one
    if (folded(to_std(name), to_std(value)))
      return fail("a header field is folded over several lines", error);
    if (message_.head.fields.size() == kMaxFields) {
      message_.too_large = true;
      return fail("there are too many header fields", error);
    }
    message_.head.fields.push_back({to_std(name), to_std(value)});
    switch (field) {
      case beast::field::host:
        if (message_.has_host) return fail("there is more than one Host", error);
        message_.has_host = true;
        break;
      case beast::field::content_length:
        return take_length(to_std(value), error);
      case beast::field::transfer_encoding:
        // Beast has refused a second one, and one beside Content-Length.
        if (!equal_any_case(to_std(value), "chunked")) return fail("Transfer-Encoding is not chunked", error);
        message_.head.chunked = true;
        break;
      case beast::field::expect:
        message_.head.expect = to_std(value);
        break;
      default:
        break;
    }
  }

  void take_length(std::string_view value, ErrorCode& error) {
    if (message_.has_length) return fail("there is more than one Content-Length", error);
    if (value.find_first_not_of("0123456789") != value.npos) {
      return fail("Content-Length is not a number", error);
    }
    message_.has_length = true;
  }

  // Beast joins folded values in a buffer of its own, which is gone after the call; a value that begins on a
  // line after its name is folded as well.
  bool folded(std::string_view name, std::string_view value) const {
    const std::less<const char*> before;
    const char* const from = message_.bytes.data();
    if (before(value.data(), from) || before(from + message_.bytes.size(), value.data())) return true;
    return std::find(name.data() + name.size(), value.data(), '\r') != value.data();
  }

  void on_header_impl(ErrorCode& error) override {
    Head& head = message_.head;
    if (head.http11 && !message_.has_host) return fail("Host is missing", error);
    if (head.chunked && !head.http11) return fail("Transfer-Encoding is not for HTTP/1.0", error);
  }

  void on_chunk_header_impl(std::uint64_t size, boost::beast::string_view, ErrorCode& error) override {
    if (size > message_.body_limit - message_.body->size()) {
      message_.too_large = true;
      fail("the body is too large", error);
    }
  }

  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view bytes, ErrorCode&) override {
    message_.body->append(bytes.data(), bytes.size());
    return bytes.size();
  }

  // Bodies with a Content-Length are not given to Beast.
  std::size_t on_body_impl(boost::beast::string_view bytes, ErrorCode&) override { return bytes.size(); }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode&) override {}
  void on_finish_impl(ErrorCode&) override {}
  void on_response_impl(int, boost::beast::string_view, int, ErrorCode&) override {}

  Message& message_;
};

std::string_view describe(const ErrorCode& error) {
  if (error == beast::error::bad_method) return "the method is malformed";
  if (error == beast::error::bad_target) return "the request target is malformed";
  if (error == beast::error::bad_version) return "the HTTP version is not 1.0 or 1.1";
  if (error == beast::error::bad_field) return "a header field's name is malformed";
  if (error == beast::error::bad_value) return "a header field's value is malformed";
  if (error == beast::error::bad_content_length)
    return "Content-Length is malformed or beside Transfer-Encoding";
  if (error == beast::error::multiple_content_length) return "there is more than one Content-Length";
  if (error == beast::error::bad_transfer_encoding)
    return "Transfer-Encoding is twice or beside Content-Length";
  if (error == beast::error::bad_chunk || error == beast::error::bad_chunk_extension) {
    return "the chunked body is malformed";
  }
  return "the request is not HTTP";
}

}  // namespace

bool equal_any_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

struct Parser::Impl {
  // Beast knows more bytes are missing; anything else that is no success is a refusal.
  Progress judge(const ErrorCode& error, bool done) {
    if (error == beast::error::need_more || (!error && !done)) return Progress::kMore;
    if (!error) return Progress::kDone;
    if (message.fault.empty()) message.fault = describe(error);
    return Progress::kBad;
  }

  Message message;
  std::optional<BeastParser> beast;
};

std::optional<std::string_view> Head::field(std::string_view name) const {
  for (const Field& field : fields) {
    if (equal_any_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Head::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const Field& field) { return equal_any_case(field.name, name); }));
}

Parser::Parser() : impl_(std::make_unique<Impl>()) { reset(); }
Parser::~Parser() = default;

void Parser::reset() {
  auto fields = std::move(impl_->message.head.fields);
  fields.clear();
  impl_->message = {};
  impl_->message.head.fields = std::move(fields);
  impl_->beast.emplace(impl_->message);
}

const Head& Parser::head() const { return impl_->message.head; }
std::string_view Parser::fault() const { return impl_->message.fault; }
bool Parser::too_large() const { return impl_->message.too_large; }

Parser::Progress Parser::parse_head(std::string_view bytes, std::size_t& used) {
  Message& message = impl_->message;
  message.bytes = bytes;
  // The caller bounds the header; this only keeps Beast from bounding it first.
  impl_->beast->header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
  ErrorCode error;
  used = impl_->beast->put(asio::const_buffer(bytes.data(), bytes.size()), error);
  const Progress progress = impl_->judge(error, impl_->beast->is_header_done());
  if (progress == Progress::kDone) {
    message.head.keep_alive = impl_->beast->keep_alive();
    message.head.content_length = impl_->beast->content_length().value_or(0);
    message.in_body = true;
  }
  return progress;
}

Parser::Progress Parser::parse_chunks(std::string_view bytes, std::size_t& used, std::string& body,
                                      std::size_t limit) {
  Message& message = impl_->message;
  message.body = &body;
  message.body_limit = limit;
  impl_->beast->eager(true);
  used = 0;
  if (bytes.empty() || (bytes.front() == '0' && bytes.size() < kLeastChunks)) return Progress::kMore;
  ErrorCode error;
  used = impl_->beast->put(asio::const_buffer(bytes.data(), bytes.size()), error);
  return impl_->judge(error, impl_->beast->is_done());
}

}  // namespace drover::http
