#include "http/exchange.h"

#include <algorithm>
#include <cstring>

#include "http/request_id.h"

namespace drover::http {
namespace {

// Room behind the largest header: for chunk lines, and for bodies that come with their header.
constexpr std::size_t kBodyRoom = 8 * 1024;
// A gathered body's memory grows with what has come, not with what was announced.
constexpr std::size_t kLeastPiece = 4 * 1024;
constexpr std::size_t kLargestPiece = 256 * 1024;
constexpr std::size_t kMaxQuery = 128;  // query parameters
// Beyond this a body's memory is not kept for the next request.
constexpr std::size_t kKeptBody = 64 * 1024;

}  // namespace

Exchange::Exchange(std::size_t max_header)
    : max_header_(max_header),
      capacity_(max_header + kBodyRoom),
      data_(std::make_unique_for_overwrite<char[]>(capacity_)) {}

void Exchange::set_peer(std::string_view peer, bool local, bool secure) {
  peer_ = peer;
  local_ = local;
  secure_ = secure;
}

std::span<char> Exchange::space() {
  if (!gathering_) return {data_.get() + filled_, capacity_ - filled_};
  const std::size_t piece = std::min(missing_, std::clamp(gathered_, kLeastPiece, kLargestPiece));
  body_.resize(gathered_ + piece);
  return {body_.data() + gathered_, piece};
}

void Exchange::commit(std::size_t size) {
  if (!gathering_) {
    filled_ += size;
    return;
  }
  gathered_ += size;
  missing_ -= size;
  body_.resize(gathered_);
}

Exchange::Step Exchange::parse() {
  if (stage_ == Stage::kHead) return parse_head();
  return parser_.head().chunked ? parse_chunked() : parse_sized();
}

Exchange::Step Exchange::refuse(unsigned status, std::string_view message) {
  refusal_ = {status, message};
  return Step::kBad;
}

// The id may be among what was understood.
Exchange::Step Exchange::refuse_head(unsigned status, std::string_view message) {
  find_request_id();
  return refuse(status, message);
}

Exchange::Step Exchange::parse_head() {
  if (at_ == begin_) {
    // Empty lines before a request are to be overlooked (RFC 9112 section 2.2).
    while (begin_ < filled_ && (data_[begin_] == '\r' || data_[begin_] == '\n')) ++begin_;
    at_ = begin_;
    if (begin_ == filled_) {
      begin_ = at_ = filled_ = 0;
      return Step::kMore;
    }
  }

  std::size_t used = 0;
  const auto progress = parser_.parse_head({data_.get() + at_, filled_ - at_}, used);
  at_ += used;
  if (progress == Parser::Progress::kBad)
    return refuse_head(parser_.too_large() ? 431 : 400, parser_.fault());
  const bool more = progress == Parser::Progress::kMore;
  const std::size_t size = (more ? filled_ : at_) - begin_;
  if (size > max_header_ || (more && size == max_header_)) return refuse_head(431, "the header is too large");

  if (more) {
    if (begin_ > 0) {  // make room at the end; what was parsed has to be parsed again where it is now
      std::memmove(data_.get(), data_.get() + begin_, filled_ - begin_);
      filled_ -= begin_;
      begin_ = at_ = 0;
      parser_.reset();
    }
    return Step::kMore;
  }
  stage_ = Stage::kBody;
  head_end_ = at_;
  verb_ = to_verb(parser_.head().method);
  if (!interpret()) return refuse(400, "the request target is malformed");
  return Step::kHead;
}

bool Exchange::interpret() {
  const auto target = split_target(parser_.head().target);
  if (target) target_ = *target;
  const bool good = target && (decoded_.reserve(parser_.head().target.size()), split_path()) && parse_query();
  find_request_id();
  return good;
}

// Decoded text is never longer than it was, so decoded_ has room for all of a target.
bool Exchange::decode(std::string_view text, bool plus_is_space, std::string_view& out) {
  out = text;
  if (text.find_first_of(plus_is_space ? "%+" : "%") == text.npos) return true;
  const std::size_t from = decoded_.size();
  if (!percent_decode(text, plus_is_space, decoded_)) return false;
  out = std::string_view(decoded_).substr(from);
  return true;
}

bool Exchange::split_path() {
  std::string_view rest = routed_path(target_.path).substr(1);
  for (segment_count_ = 0; segment_count_ < segments_.size();) {
    const std::size_t slash = rest.find('/');
    if (!decode(rest.substr(0, slash), false, segments_[segment_count_])) return false;
    ++segment_count_;
    if (slash == rest.npos) return true;
    rest.remove_prefix(slash + 1);
  }
  segment_count_ = 0;  // deeper than any route
  return true;
}

bool Exchange::parse_query() {
  std::string_view rest = target_.query;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (item.empty()) continue;
    if (query_.size() == kMaxQuery) return false;
    const std::size_t equals = std::min(item.find('='), item.size());
    auto& [name, value] = query_.emplace_back();
    if (!decode(item.substr(0, equals), true, name)) return false;
    if (!decode(item.substr(std::min(equals + 1, item.size())), true, value)) return false;
  }
  return true;
}

void Exchange::find_request_id() {
  auto id = header("x-request-id");
  if (!id || !is_request_id(*id)) id = query("x-request-id");
  if (id && is_request_id(*id)) request_id_ = *id;
}

void Exchange::set_request_id(std::string_view id) {
  made_id_ = id;
  request_id_ = made_id_;
}

bool Exchange::body_is_here() const {
  return !parser_.head().chunked && parser_.head().content_length <= filled_ - head_end_;
}

bool Exchange::body_is_large() const {
  return parser_.head().chunked || parser_.head().content_length > capacity_ - head_end_;
}

void Exchange::drop_body() {
  if (body_.capacity() <= kBodyRoom) return;
  free_body();
}

// Assigning an empty string would keep the memory.
void Exchange::free_body() {
  std::string().swap(body_);
  body_view_ = {};
}

Exchange::Step Exchange::parse_sized() {
  if (!gathering_) {
    const std::uint64_t length = parser_.head().content_length;
    const std::size_t here = filled_ - head_end_;
    if (length <= here) {
      body_view_ = {data_.get() + head_end_, static_cast<std::size_t>(length)};
      at_ = head_end_ + body_view_.size();
      return Step::kComplete;
    }
    if (length > max_body_) return refuse(413, "the body is too large");
    gathering_ = true;
    body_.assign(data_.get() + head_end_, here);
    gathered_ = here;
    missing_ = static_cast<std::size_t>(length) - here;
    filled_ = head_end_;
  }
  if (missing_ > 0) return Step::kMore;
  gathering_ = false;
  body_view_ = body_;
  return Step::kComplete;
}

Exchange::Step Exchange::parse_chunked() {
  std::size_t used = 0;
  const auto progress = parser_.parse_chunks({data_.get() + at_, filled_ - at_}, used, body_, max_body_);
  at_ += used;
  if (progress == Parser::Progress::kBad) return refuse(parser_.too_large() ? 413 : 400, parser_.fault());
  if (progress == Parser::Progress::kDone) {
    body_view_ = body_;
    return Step::kComplete;
  }
  std::memmove(data_.get() + head_end_, data_.get() + at_, filled_ - at_);
  filled_ -= at_ - head_end_;
  at_ = head_end_;
  if (filled_ == capacity_) return refuse(400, "a line of the chunked body is too long");
  return Step::kMore;
}

const Router::Impl::Node* Exchange::route(const Router::Impl& router) {
  if (segment_count_ == 0) return nullptr;
  return router.find({segments_.data(), segment_count_}, values_);
}

void Exchange::begin_message() {
  stage_ = Stage::kHead;
  parser_.reset();
  verb_ = Verb::kOther;
  target_ = {};
  decoded_.clear();
  segment_count_ = 0;
  values_.clear();
  query_.clear();
  route_ = nullptr;
  request_id_ = {};
  max_body_ = 0;
  body_.clear();
  gathering_ = false;
  gathered_ = missing_ = 0;
  body_view_ = {};
}

void Exchange::next() {
  begin_ = at_;
  if (begin_ == filled_) begin_ = at_ = filled_ = 0;
  begin_message();
}

void Exchange::clear() {
  begin_ = at_ = filled_ = 0;
  begin_message();
  if (body_.capacity() > kKeptBody) free_body();
}

Method Exchange::method() const { return routed_method(verb_).value_or(Method::kGet); }

std::string_view Exchange::path_parameter(std::string_view name) const {
  if (!route_) return {};
  for (std::size_t i = 0; i < route_->parameters.size(); ++i) {
    if (route_->parameters[i] == name) return values_[i];
  }
  return {};
}

std::optional<std::string_view> Exchange::query(std::string_view name) const {
  for (const auto& [key, value] : query_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> Exchange::header(std::string_view name) const {
  return parser_.head().field(name);
}

std::size_t Exchange::header_count(std::string_view name) const { return parser_.head().count(name); }

}  // namespace drover::http
