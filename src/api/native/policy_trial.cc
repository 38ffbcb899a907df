// /api/v1/policy-test: what somebody may do, and which statement says so.
#include <utility>

#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/native/trial_request.h"

namespace drover::api::native {
namespace {

using identity::Permissions;

http::Response decision_answer(const Permissions& permissions, const TrialRequest& trial) {
  const bool names_instance = !trial.instance_id.empty() || trial.labels;
  std::string body;
  JsonWriter json(body);
  json.open_object();
  if (!names_instance && permissions.verdict(trial.action) == Permissions::Verdict::kByInstance) {
    json.null("allowed").text("why", "it depends on the instance: give instance_id or labels");
  } else {
    const Permissions::Decision decision =
        permissions.decide(trial.action, {trial.instance_id, trial.labels.value_or(identity::Labels())});
    json.boolean("allowed", decision.allowed).text("why", decision.why);
  }
  json.close_object();
  return json_answer(std::move(body));
}

Result<Permissions> permissions_of(const identity::Identity& identity, const TrialRequest& trial) {
  if (trial.user) return identity.permissions(*trial.user, trial.project);
  if (trial.policy) return identity.permissions_of_policy(*trial.policy);
  Result<identity::Policy> policy = identity::parse_policy("document", *trial.document);
  if (!policy) return Failure(std::move(policy.error()));
  return Permissions({std::make_shared<const identity::Policy>(*std::move(policy))});
}

void try_policy(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  auto trial = parse_trial_request(request.body());
  if (!trial) return respond(refuse(trial.error()));
  caller.name_subject(trial->user.value_or(trial->policy.value_or("")));
  Result<Permissions> permissions = permissions_of(services.identity, *trial);
  if (!permissions) return respond(refuse(refusal_of(permissions.error())));
  if (trial->project.empty() || trial->instance_id.empty() || trial->labels)
    return respond(decision_answer(*permissions, *trial));

  const auto project = services.identity.project(trial->project);
  if (!project) return respond(refuse(not_found("no such project")));
  const std::string id = trial->instance_id;
  services.fleet.labels(project->seq, {id},
                        [respond, trial = *std::move(trial), permissions = *std::move(permissions)](
                            const std::vector<std::optional<store::Labels>>& labels) mutable {
                          trial.labels = labels.front();
                          respond(decision_answer(permissions, trial));
                        });
}

}  // namespace

void add_policy_trial_route(Routes& routes) {
  routes.add(http::Method::kPost, "/api/v1/policy-test", administrator("drover:policy:test"), try_policy);
}

}  // namespace drover::api::native
