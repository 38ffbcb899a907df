// The bytes of one message, taken apart by Boost.Beast's parser, and held to stricter rules than its own:
// whatever two servers could read differently (RFC 9112 section 11.2) is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::http {

struct Field {
  std::string_view name;
  std::string_view value;
};

// As names of fields and their tokens are compared (ASCII).
bool equal_any_case(std::string_view a, std::string_view b);

// Views point into the bytes that the parser was given.
struct Head {
  std::string_view method;
  std::string_view target;
  std::vector<Field> fields;
  bool http11 = true;
  bool keep_alive = true;
  bool chunked = false;
  std::uint64_t content_length = 0;
  std::optional<std::string_view> expect;

  // First field of that name, any case.
  std::optional<std::string_view> field(std::string_view name) const;
  // How many fields have that name.
  std::size_t count(std::string_view name) const;
};

class Parser {
 public:
  enum class Progress { kMore, kDone, kBad };

  Parser();
  ~Parser();

  // Forgets everything; the next call begins a message.
  void reset();

  const Head& head() const;
  // Why the last call said kBad, for the client.
  std::string_view fault() const;

  // Takes the start line and the fields. `bytes` begins where the last call stopped, and must not have moved
  // since then; `used` becomes how many of them are done with.
  Progress parse_head(std::string_view bytes, std::size_t& used);

  // Takes a chunked body, appending its contents to `body`, which may grow to `limit` bytes. Bytes that were
  // not used must come again, and may have moved.
  Progress parse_chunks(std::string_view bytes, std::size_t& used, std::string& body, std::size_t limit);
  // The last call said kBad because the body is beyond its limit, or there are too many fields.
  bool too_large() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::http
