// Drover's HTTP interfaces: KooPhone v1's operations, its own API, and what supervisors ask for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "api/routes.h"

namespace drover::api {

struct ApiOptions {
  Millis sync_wait{30'000};  // how long a sync-command waits for its jobs
  // Requests a second of a project, and of a user or token; 0: no limit.
  std::uint32_t project_rate = 0;
  std::uint32_t user_rate = 0;
  // Whether this node takes requests, and if not why; asked by /readyz, on HTTP threads. The engine's health
  // is asked for in any case.
  std::function<Result<>()> ready = [] { return Result<>{}; };
};

class Api {
 public:
  // All outlive it. It is destroyed when no request is under way and the loops of engine and fleet and the
  // store have ended: they hold callbacks into it.
  Api(const Clock& clock, task::Engine& engine, fleet::Fleet& fleet, identity::Identity& identity,
      store::Store& store, prometheus::Registry& registry, ApiOptions options);
  ~Api();

  // Adds all routes, and the form of the errors that the server itself answers. Before the server starts.
  void add_routes(http::Router& router);

  // Any thread. Answers all who wait for tasks, with what there is, and lets nobody wait from then on: call
  // it before the HTTP server is stopped.
  void stop_waiting();

  // What add_routes() added.
  const std::vector<Routes::Added>& routes() const { return routes_; }

 private:
  struct Running;
  std::unique_ptr<Running> running_;
  std::vector<Routes::Added> routes_;
};

}  // namespace drover::api
