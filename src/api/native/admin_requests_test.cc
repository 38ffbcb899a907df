#include "api/native/admin_requests.h"

#include <gtest/gtest.h>

#include "api/native/trial_request.h"
#include "identity/identity.h"

namespace drover::api::native {
namespace {

template <typename T>
std::string refusal(const Checked<T>& parsed) {
  return parsed ? "taken" : parsed.error().message;
}

TEST(AdminRequestTest, Projects) {
  const auto project = parse_project_request(R"({"name":"one"})");
  EXPECT_EQ(project->name, "one");
  EXPECT_EQ(project->id, "");
  EXPECT_FALSE(project->koophone_commands_only);
  EXPECT_TRUE(
      parse_project_request(R"({"name":"one","koophone_commands_only":true})")->koophone_commands_only);
  EXPECT_EQ(parse_project_request(R"({"name":"one","id":"0123"})")->id, "0123");
  EXPECT_EQ(refusal(parse_project_request("{}")), "name is missing; it must be a string");
  EXPECT_EQ(refusal(parse_project_request(R"({"name":"one","id":""})")),
            "id must be 32 lower-case hex digits");
}

TEST(AdminRequestTest, Tokens) {
  const auto token = parse_token_request(R"({"project":"one","role":"admin","expires_s":60})");
  ASSERT_TRUE(token);
  EXPECT_EQ(token->project, "one");
  EXPECT_EQ(token->policy, identity::kAdministrator);
  EXPECT_EQ(token->expires_s, 60);
  EXPECT_EQ(parse_token_request(R"({"project":"one","role":"readonly"})")->policy, identity::kReadOnlyUser);
  EXPECT_EQ(parse_token_request(R"({"project":"one","role":"blue team"})")->policy, "blue team");
  EXPECT_EQ(parse_token_request(R"({"project":"one","role":"readonly"})")->expires_s, 86'400);
  EXPECT_EQ(refusal(parse_token_request(R"({"role":"admin"})")), "project is missing; it must be a string");
  EXPECT_EQ(refusal(parse_token_request(R"({"project":"one"})")),
            "role is missing; it must be admin, readonly or a policy's name");
}

TEST(AdminRequestTest, Users) {
  const auto user = parse_user_request(
      R"({"name":"alice","password":"correct horse","grants":[{"project":"one","role":"admin"},
          {"role":"KooPhone ReadOnlyUser","project":null}]})");
  ASSERT_TRUE(user) << user.error().message;
  EXPECT_EQ(user->user.name, "alice");
  EXPECT_EQ(user->user.password, "correct horse");
  EXPECT_EQ(user->shown_password, "");
  EXPECT_EQ(user->user.grants,
            (std::vector<identity::GrantView>{{"one", std::string(identity::kAdministrator)},
                                              {"", std::string(identity::kReadOnlyUser)}}));

  const auto made = parse_user_request(R"({"name":"bob","generate_password":true})");
  ASSERT_TRUE(made);
  EXPECT_GE(made->shown_password.size(), 16u);
  EXPECT_EQ(made->user.password, made->shown_password);
  EXPECT_EQ(parse_user_request(R"({"name":"bob"})")->user.password, "");
  EXPECT_EQ(refusal(parse_user_request(R"({"name":"bob","password":"x","generate_password":true})")),
            "either password or generate_password may be given");
  EXPECT_EQ(refusal(parse_user_request("{}")), "name is missing; it must be a string");
}

// Who forgets the project, or leaves it empty, must not get a role in all projects.
TEST(AdminRequestTest, OnlyNullIsAllProjects) {
  const std::string missing = "project is missing; it must be a project's name, or null for all projects";
  EXPECT_EQ(refusal(parse_user_request(
                R"({"name":"a","grants":[{"project":null,"role":"admin"},{"role":"admin"}]})")),
            "grants[1]." + missing);
  EXPECT_EQ(refusal(parse_user_request(R"({"name":"a","grants":[{"project":"","role":"admin"}]})")),
            "grants[0].project must be a project's name, or null");
  EXPECT_EQ(
      refusal(parse_user_request(R"({"name":"a","grants":[{"project":null,"project":"p","role":"admin"}]})")),
      "taken");
  EXPECT_EQ(parse_user_request(R"({"name":"a","grants":[{"project":null,"project":"p","role":"admin"}]})")
                ->user.grants.front()
                .project,
            "p");
  EXPECT_EQ(refusal(parse_user_request(R"({"name":"a","grants":[{"project":1,"role":"admin"}]})")),
            "grants[0].project must be a string or null");
  EXPECT_EQ(refusal(parse_user_request(R"({"name":"a","grants":[{"project":"p","role":null}]})")),
            "grants[0].role must be a string");

  EXPECT_EQ(refusal(parse_grant_request(R"({"role":"admin"})")), missing);
  EXPECT_EQ(refusal(parse_grant_request(R"({"project":"","role":"admin"})")),
            "project must be a project's name, or null");
  EXPECT_EQ(refusal(parse_grant_request(R"({"project":null})")), "role is missing; it must be a role's name");
  EXPECT_EQ(parse_grant_request(R"({"project":null,"role":"readonly"})")->project, "");
  EXPECT_EQ(parse_grant_request(R"({"project":"p","role":"readonly"})")->project, "p");
}

TEST(AdminRequestTest, ChangesOfUsers) {
  const auto off = parse_user_change_request(R"({"enabled":false})");
  ASSERT_TRUE(off);
  EXPECT_EQ(off->change.enabled, false);
  EXPECT_FALSE(off->change.password);
  const auto made = parse_user_change_request(R"({"generate_password":true})");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->change.password, made->shown_password);
  EXPECT_EQ(refusal(parse_user_change_request("{}")), "password, generate_password or enabled must be given");
  EXPECT_EQ(refusal(parse_user_change_request(R"({"generate_password":false})")),
            "password, generate_password or enabled must be given");
  EXPECT_EQ(refusal(parse_password_request(R"({"old_password":"x"})")),
            "new_password is missing; it must be a string");
}

TEST(AdminRequestTest, Keys) {
  EXPECT_EQ(parse_key_request(R"({"user":"alice"})")->access_key, "");
  EXPECT_EQ(parse_key_request(R"({"user":"alice","access_key":"AK","secret_key":"SK"})")->secret_key, "SK");
  EXPECT_EQ(refusal(parse_key_request(R"({"user":"alice","access_key":"AK"})")),
            "access_key and secret_key must be given both, or neither");
  EXPECT_EQ(refusal(parse_key_request("{}")), "user is missing; it must be a string");
}

TEST(AdminRequestTest, Trials) {
  const auto trial = parse_trial_request(
      R"({"document":{"Statement":[{"Effect":"Allow"}]},"action":"drover:task:cancel","labels":{"a":"b"}})");
  ASSERT_TRUE(trial) << trial.error().message;
  EXPECT_EQ(trial->document, R"({"Statement":[{"Effect":"Allow"}]})");
  EXPECT_EQ(trial->action, identity::Action::kCancelTask);
  EXPECT_EQ(trial->labels, (identity::Labels{{"a", "b"}}));

  EXPECT_EQ(parse_trial_request(R"({"policy":"readonly","action":"drover:task:cancel"})")->policy,
            identity::kReadOnlyUser);
  const std::string one = "exactly one of user, policy and document must be given";
  EXPECT_EQ(refusal(parse_trial_request(R"({"action":"drover:task:cancel"})")), one);
  EXPECT_EQ(refusal(parse_trial_request(R"({"policy":"a","document":{},"action":"drover:task:cancel"})")),
            one);
  EXPECT_EQ(refusal(parse_trial_request(R"({"user":"a","action":"drover:task:cancel"})")),
            "project is missing; roles are held in one");
  EXPECT_EQ(refusal(parse_trial_request(R"({"policy":"a"})")), "action is missing; it must be a string");
  EXPECT_EQ(refusal(parse_trial_request(R"({"policy":"a","action":"drover:*"})")),
            "action must be the name of an action, such as drover:task:cancel");
}

}  // namespace
}  // namespace drover::api::native
