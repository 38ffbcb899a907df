#include "api/api.h"

#include <utility>

#include "api/audit.h"
#include "api/error_form.h"
#include "api/health.h"
#include "api/keystone/keystone.h"
#include "api/koophone/koophone.h"
#include "api/limits.h"
#include "api/native/native.h"
#include "api/reads.h"
#include "api/waiting.h"

namespace drover::api {

struct Api::Running {
  Running(const Clock& clock, task::Engine& engine, fleet::Fleet& fleet, identity::Identity& identity,
          store::Store& store, prometheus::Registry& registry, ApiOptions options)
      : thread(clock, "api"),
        waiting(thread.loop(),
                [&engine](const task::LiveTaskPtr& task, std::function<void()> then) {
                  engine.refresh(task, std::move(then));
                }),
        reads(thread.loop()),
        audit(clock, store, thread.loop()),
        limits(clock, options.project_rate, options.user_rate),
        services{clock,
                 engine,
                 fleet,
                 identity,
                 store,
                 registry,
                 thread.loop(),
                 waiting,
                 reads,
                 audit,
                 limits,
                 options.sync_wait,
                 std::move(options.ready)} {}
  // Before what runs on it goes.
  ~Running() { thread.join(); }

  LoopThread thread;
  Waiting waiting;
  Reads reads;
  Audit audit;
  Limits limits;
  Services services;
};

Api::Api(const Clock& clock, task::Engine& engine, fleet::Fleet& fleet, identity::Identity& identity,
         store::Store& store, prometheus::Registry& registry, ApiOptions options)
    : running_(
          std::make_unique<Running>(clock, engine, fleet, identity, store, registry, std::move(options))) {}

Api::~Api() = default;

void Api::add_routes(http::Router& router) {
  router.set_error_body(error_body);
  Routes routes(router, running_->services);
  koophone::add_command_routes(routes);
  koophone::add_query_routes(routes);
  native::add_instance_routes(routes);
  native::add_task_routes(routes);
  native::add_job_routes(routes);
  native::add_project_routes(routes);
  native::add_token_routes(routes);
  native::add_user_routes(routes);
  native::add_key_routes(routes);
  native::add_policy_routes(routes);
  native::add_policy_trial_route(routes);
  native::add_me_routes(routes);
  native::add_audit_routes(routes);
  keystone::add_session_routes(routes);
  keystone::add_project_routes(routes);
  keystone::add_version_routes(routes);
  add_health_routes(routes);
  routes_ = routes.added();
}

void Api::stop_waiting() { running_->waiting.stop(); }

}  // namespace drover::api
