#include "api/native/trial_request.h"

#include <boost/json.hpp>
#include <utility>

#include "api/json_reader.h"
#include "api/native/admin_requests.h"

namespace drover::api::native {
namespace {

// The member "document" of a body that has been read already, as JSON of its own.
std::optional<std::string> document_of(std::string_view body) {
  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = 16;  // as the reader has it
  const boost::json::value value = boost::json::parse(body, error, {}, options);
  const boost::json::object* object = error ? nullptr : value.if_object();
  const boost::json::value* document = object == nullptr ? nullptr : object->if_contains("document");
  if (document == nullptr) return std::nullopt;
  return boost::json::serialize(*document);
}

}  // namespace

Checked<TrialRequest> parse_trial_request(std::string_view body) {
  TrialRequest request;
  std::optional<std::string> project;
  std::optional<std::string> action;
  std::optional<std::string> instance;
  TextMap labels;
  const Member members[] = {{"user", &request.user}, {"policy", &request.policy}, {"project", &project},
                            {"action", &action},     {"instance_id", &instance},  {"labels", &labels}};
  if (auto read = read_json_object(body, members); !read) return tl::unexpected(std::move(read.error()));
  request.document = document_of(body);

  const int given = (request.user ? 1 : 0) + (request.policy ? 1 : 0) + (request.document ? 1 : 0);
  if (given != 1) return bad_parameter("exactly one of user, policy and document must be given");
  if (request.user && !project) return bad_parameter("project is missing; roles are held in one");
  if (request.policy) request.policy = policy_of_role(*request.policy);
  if (!action) return bad_parameter("action is missing; it must be a string");
  const auto known = identity::find_action(*action);
  if (!known) return bad_parameter("action must be the name of an action, such as drover:task:cancel");
  request.action = *known;
  request.project = std::move(project).value_or("");
  request.instance_id = std::move(instance).value_or("");
  if (labels.count > labels.max)
    return bad_parameter("labels must hold at most " + std::to_string(labels.max) + " labels");
  if (labels.present) request.labels = std::move(labels.items);
  return request;
}

}  // namespace drover::api::native
