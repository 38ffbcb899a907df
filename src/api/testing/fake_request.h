// For tests: a request without a connection.
#pragma once

#include <map>
#include <string>

#include "http/message.h"

namespace drover::api {

class FakeRequest final : public http::Request {
 public:
  http::Method method() const override { return http::Method::kGet; }
  std::string_view path_parameter(std::string_view) const override { return {}; }
  std::optional<std::string_view> query(std::string_view name) const override { return find(queries, name); }
  std::optional<std::string_view> header(std::string_view name) const override { return find(headers, name); }
  std::string_view body() const override { return {}; }
  std::string_view request_id() const override { return "test"; }
  std::string_view peer() const override { return is_local ? "local" : "192.0.2.7:4711"; }
  bool local() const override { return is_local; }

  using Values = std::map<std::string, std::string, std::less<>>;
  Values queries;
  Values headers;
  bool is_local = false;

 private:
  static std::optional<std::string_view> find(const Values& values, std::string_view name) {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional<std::string_view>(it->second);
  }
};

}  // namespace drover::api
