#include "http/router.h"

#include <algorithm>

#include "base/log.h"
#include "http/router_impl.h"
#include "http/verb.h"

namespace drover::http {
namespace {

using Node = Router::Impl::Node;

std::string default_error_body(unsigned status, std::string_view message, std::string_view) {
  std::string_view code = "KOOPHONE.API.1000";
  if (status == 404 || status == 405) code = "APIGW.0101";
  if (status >= 500) code = "KOOPHONE.API.9999";
  std::string body = R"({"error_code":")";
  body.append(code).append(R"(","error_msg":")").append(json_escape(message)).append("\"}");
  return body;
}

Node* literal_child(const Node& node, std::string_view segment) {
  for (const auto& [name, child] : node.literals) {
    if (name == segment) return child.get();
  }
  return nullptr;
}

// A literal wins; where its branch leads nowhere, the parameter's is tried.
const Node* walk(const Node& node, std::span<const std::string_view> segments,
                 std::vector<std::string_view>& values) {
  if (segments.empty()) return node.answers() ? &node : nullptr;
  const std::string_view segment = segments.front();
  if (const Node* child = literal_child(node, segment)) {
    if (const Node* found = walk(*child, segments.subspan(1), values)) return found;
  }
  if (!node.parameter || segment.empty()) return nullptr;
  values.push_back(segment);
  if (const Node* found = walk(*node.parameter, segments.subspan(1), values)) return found;
  values.pop_back();
  return nullptr;
}

}  // namespace

bool Node::answers() const {
  return std::any_of(routes.begin(), routes.end(), [](const Route* route) { return route != nullptr; });
}

std::string Node::allow() const {
  std::string list;
  for (const Verb verb : {Verb::kGet, Verb::kHead, Verb::kPost, Verb::kPut, Verb::kDelete}) {
    if (!routes[static_cast<std::size_t>(*routed_method(verb))]) continue;
    if (!list.empty()) list += ", ";
    list += verb_name(verb);
  }
  return list;
}

const Route& Node::any() const {
  return **std::find_if(routes.begin(), routes.end(), [](const Route* route) { return route != nullptr; });
}

const Node* Router::Impl::find(std::span<const std::string_view> segments,
                               std::vector<std::string_view>& values) const {
  values.clear();
  return walk(root, segments, values);
}

Router::Router() : impl_(std::make_unique<Impl>()) { impl_->make_error_body = default_error_body; }
Router::~Router() = default;

void Router::add(Method method, std::string pattern, Handler handler, RouteOptions options) {
  auto route = std::make_unique<Route>();
  Node* node = &impl_->root;
  std::string_view rest = std::string_view(pattern).substr(1);
  for (bool more = true; more;) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    more = slash != rest.npos;
    if (more) rest.remove_prefix(slash + 1);

    if (segment.starts_with('{') && segment.ends_with('}')) {
      route->parameters.emplace_back(segment.substr(1, segment.size() - 2));
      if (!node->parameter) node->parameter = std::make_unique<Node>();
      node = node->parameter.get();
    } else if (Node* child = literal_child(*node, segment)) {
      node = child;
    } else {
      node = node->literals.emplace_back(segment, std::make_unique<Node>()).second.get();
    }
  }
  route->pattern = std::move(pattern);
  route->handler = std::move(handler);
  route->options = options;
  route->index = impl_->routes.size();
  node->routes[static_cast<std::size_t>(method)] = route.get();
  impl_->routes.push_back(std::move(route));
}

void Router::set_error_body(ErrorBody make) { impl_->make_error_body = std::move(make); }

}  // namespace drover::http
