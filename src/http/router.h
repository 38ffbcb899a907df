// Which handler answers which method and path.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace drover::http {

struct RouteOptions {
  std::size_t max_body = std::size_t{1} << 20;  // bytes; beyond that 413
  // The handler reads the body also after it has returned. Else a large one's memory is given back then.
  bool keep_body = false;
  // Asked before a large body is read: an answer refuses the request. On an HTTP thread, as handlers are.
  std::function<std::optional<Response>(const Request&)> refuse_early = {};
};

// Filled before the server starts, then immutable: any thread.
class Router {
 public:
  Router();
  ~Router();

  // `pattern` begins with '/' and is a path in which a whole segment may be a parameter:
  // "/v1/instances/tasks/{task_id}". A literal segment wins over a parameter. `pattern` also names the route
  // in the metrics. GET also answers HEAD. The same method and pattern again replaces the route.
  void add(Method method, std::string pattern, Handler handler, RouteOptions options = {});

  // Makes the body of an error that the server itself answers (404, 405, 408, 413, 431, 400 ...): each API
  // has its own form. `message` says what broke which rule; `path` is Request::raw_path(), empty if it did
  // not get that far. The default is {"error_code":"...","error_msg":"..."}.
  using ErrorBody =
      std::function<std::string(unsigned status, std::string_view message, std::string_view path)>;
  void set_error_body(ErrorBody make);

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::http
