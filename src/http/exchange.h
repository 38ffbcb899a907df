// One request while it comes in and is worked on: its bytes, what they mean, and the head of the answer.
// Knows no sockets. Exchanges are reused from request to request and from connection to connection; an idle
// connection has none.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/accept_encoding.h"
#include "http/message.h"
#include "http/parser.h"
#include "http/router_impl.h"
#include "http/target.h"
#include "http/verb.h"

namespace drover::http {

class Exchange final : public Request {
 public:
  enum class Step {
    kMore,      // put more bytes into space()
    kHead,      // the header is complete: find the route, then set_max_body()
    kComplete,  // the request is complete
    kBad,       // the request is refused, see refusal()
  };
  struct Refusal {
    unsigned status;
    std::string_view message;
  };

  // `max_header` in bytes, start line included.
  explicit Exchange(std::size_t max_header);

  // `peer` must stay.
  void set_peer(std::string_view peer, bool local, bool secure);

  // Where the next bytes go; commit() says how many came (0: none) before anything else is called.
  std::span<char> space();
  void commit(std::size_t size);
  Step parse();
  const Refusal& refusal() const { return refusal_; }

  // Some bytes of a request are here.
  bool begun() const { return filled_ > begin_; }
  bool head_done() const { return stage_ == Stage::kBody; }

  // From kHead on.
  bool http11() const { return parser_.head().http11; }
  bool keep_alive() const { return parser_.head().keep_alive; }
  std::optional<std::string_view> expect() const { return parser_.head().expect; }
  bool accepts_gzip() const { return http::accepts_gzip(parser_.head().fields); }
  std::uint64_t content_length() const { return parser_.head().content_length; }
  // Nothing of the body is still to come, so that refusing the request does not cost the connection.
  bool body_is_here() const;
  // The body will not fit into the buffer that every request has.
  bool body_is_large() const;
  // Memory that the body takes beside that buffer.
  std::size_t body_memory() const { return body_.empty() ? 0 : body_.capacity(); }
  // Gives that memory back if it is much; the body cannot be read any more.
  void drop_body();
  // No byte of the body has come.
  bool body_not_begun() const { return filled_ == head_end_; }
  void set_max_body(std::size_t bytes) { max_body_ = bytes; }
  Verb verb() const { return verb_; }
  // The node for the path, or null.
  const Router::Impl::Node* route(const Router::Impl& router);
  void set_route(const Route& route) { route_ = &route; }
  // The id that the client chose, if it chose a valid one; else call set_request_id().
  bool has_request_id() const { return !request_id_.empty(); }
  void set_request_id(std::string_view id);

  // Forgets the finished request; what the client sent after it becomes the next one.
  void next();
  // Forgets all, for another connection. Large memory is given back.
  void clear();

  // Request
  Method method() const override;
  std::string_view method_text() const override { return parser_.head().method; }
  std::string_view raw_path() const override { return target_.path; }
  std::string_view raw_query() const override { return target_.query; }
  std::string_view path_parameter(std::string_view name) const override;
  std::optional<std::string_view> query(std::string_view name) const override;
  std::optional<std::string_view> header(std::string_view name) const override;
  std::size_t header_count(std::string_view name) const override;
  std::string_view body() const override { return body_view_; }
  std::string_view request_id() const override { return request_id_; }
  std::string_view peer() const override { return peer_; }
  bool local() const override { return local_; }
  bool secure() const override { return secure_; }

  // The answer's head, whose memory is reused as well.
  std::string answer_head;

 private:
  enum class Stage { kHead, kBody };

  Step refuse(unsigned status, std::string_view message);
  Step refuse_head(unsigned status, std::string_view message);
  Step parse_head();
  bool interpret();
  bool split_path();
  bool parse_query();
  void find_request_id();
  bool decode(std::string_view text, bool plus_is_space, std::string_view& out);
  Step parse_sized();
  Step parse_chunked();
  void begin_message();
  void free_body();

  // [begin_, at_) has been parsed, [at_, filled_) not yet. While a body comes in, [begin_, head_end_) stays
  // in place, for the header's views.
  const std::size_t max_header_;
  const std::size_t capacity_;
  std::unique_ptr<char[]> data_;
  std::size_t begin_ = 0;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  std::size_t head_end_ = 0;

  Stage stage_ = Stage::kHead;
  Parser parser_;
  Refusal refusal_{};
  Verb verb_ = Verb::kOther;
  Target target_;
  std::string decoded_;  // reserved before views into it are made
  std::array<std::string_view, Router::Impl::kMaxSegments> segments_;
  std::size_t segment_count_ = 0;
  std::vector<std::string_view> values_;
  std::vector<std::pair<std::string_view, std::string_view>> query_;
  const Route* route_ = nullptr;
  std::string made_id_;
  std::string_view request_id_;

  std::size_t max_body_ = 0;
  std::string body_;        // a body that did not come in one piece with its header
  bool gathering_ = false;  // a sized body comes into body_
  std::size_t gathered_ = 0;
  std::size_t missing_ = 0;
  std::string_view body_view_;

  std::string_view peer_;
  bool local_ = false;
  bool secure_ = false;
};

}  // namespace drover::http
