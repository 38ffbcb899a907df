// Inside the router: the tree that a path walks down, segment by segment.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/router.h"

namespace drover::http {

struct Route {
  std::string pattern;
  Handler handler;
  RouteOptions options;
  std::vector<std::string> parameters;  // names, in the order of the path
  std::size_t index = 0;                // in Router::Impl::routes
};

struct Router::Impl {
  static constexpr std::size_t kMethods = 4;
  static constexpr std::size_t kMaxSegments = 32;  // a path with more is unknown

  struct Node {
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
    std::unique_ptr<Node> parameter;
    std::array<const Route*, kMethods> routes{};

    bool answers() const;
    // "GET, HEAD, POST"
    std::string allow() const;
    // The first route here, which names the path in the metrics when the method is wrong.
    const Route& any() const;
  };

  // The node of a path whose segments are decoded, or null. `values` becomes the parameters' values.
  const Node* find(std::span<const std::string_view> segments, std::vector<std::string_view>& values) const;
  std::string error_body(unsigned status, std::string_view message, std::string_view path) const {
    return make_error_body(status, message, path);
  }

  Node root;
  std::vector<std::unique_ptr<Route>> routes;
  ErrorBody make_error_body;
};

}  // namespace drover::http
