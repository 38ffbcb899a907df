// For tests: a request without a connection.
#pragma once

#include <strings.h>

#include <map>
#include <string>

#include "http/message.h"

namespace drover::api {

class FakeRequest final : public http::Request {
 public:
  http::Method method() const override { return http::Method::kGet; }
  std::string_view method_text() const override { return method_as_sent; }
  std::string_view raw_path() const override { return path_as_sent; }
  std::string_view raw_query() const override { return query_as_sent; }
  std::string_view path_parameter(std::string_view) const override { return {}; }
  std::optional<std::string_view> query(std::string_view name) const override { return find(queries, name); }
  std::optional<std::string_view> header(std::string_view name) const override { return find(headers, name); }
  std::size_t header_count(std::string_view name) const override { return headers.count(std::string(name)); }
  std::string_view body() const override { return sent_body; }
  std::string_view request_id() const override { return "test"; }
  std::string_view peer() const override { return is_local ? "local" : "192.0.2.7:4711"; }
  bool local() const override { return is_local; }
  bool secure() const override { return is_secure; }

  struct AnyCase {
    bool operator()(const std::string& a, const std::string& b) const {
      return strcasecmp(a.c_str(), b.c_str()) < 0;
    }
  };
  // These four are not made from one another: a test sets what it looks at.
  std::string method_as_sent = "GET";
  std::string path_as_sent = "/";
  std::string query_as_sent;
  std::map<std::string, std::string> queries;
  std::multimap<std::string, std::string, AnyCase> headers;
  std::string sent_body;
  bool is_local = false;
  bool is_secure = false;

 private:
  static std::optional<std::string_view> find(const auto& values, std::string_view name) {
    const auto it = values.lower_bound(std::string(name));
    if (it == values.end() || values.key_comp()(std::string(name), it->first)) return std::nullopt;
    return it->second;
  }
};

}  // namespace drover::api
