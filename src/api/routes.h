// Adds handlers to the HTTP router so that none is reached by who may not call it.
#pragma once

#include <string>
#include <vector>

#include "api/access.h"
#include "api/answer.h"
#include "api/caller.h"
#include "api/services.h"
#include "http/router.h"

namespace drover::api {

// Runs on an HTTP thread, for who was admitted: must not block, nor throw.
using Handler = void (*)(Services&, const http::Request&, const http::Responder&, const Caller&);

// What a request needs before it is worth reading and carrying out.
enum class Needs {
  kNothing,
  kRoom,  // in the project's queue of jobs: else it is refused before its body is parsed, a large one before
          // it is read
  kTurn,  // among the Reads
};

class Routes {
 public:
  // Both outlive the requests.
  Routes(http::Router& router, Services& services) : router_(router), services_(services) {}

  void add(http::Method method, std::string pattern, Access access, Handler handler,
           Needs needs = Needs::kNothing, http::RouteOptions options = {});

  // What was added, for tests that have to visit every route.
  struct Added {
    http::Method method;
    std::string pattern;
    Access access;
  };
  const std::vector<Added>& added() const { return added_; }

 private:
  http::Router& router_;
  Services& services_;
  std::vector<Added> added_;
};

}  // namespace drover::api
