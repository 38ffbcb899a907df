#include "api/keystone/session_answer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <set>
#include <string>

namespace drover::api::keystone {
namespace {

using boost::json::parse;
using boost::json::serialize;
using boost::json::value;

constexpr char kBase[] = "http://node:8080";

identity::SessionView session() {
  return {.user_id = "0123456789abcdef0123456789abcdef",
          .user = "alice",
          .project_id = "00112233445566778899aabbccddeeff",
          .project = "default",
          .roles = {"KooPhone Administrator", "blue"},
          .issued_ms = 1'700'000'000'123,
          .expires_ms = 1'700'086'400'000,
          .audit_id = "3T2dc1CGQxyJsHdDu1xkcw"};
}

TEST(SessionAnswerTest, ScopedToken) {
  EXPECT_EQ(token_answer(session(), kBase, Catalog::kLeftOut),
            R"({"token":{"methods":["password"],"user":{"id":"0123456789abcdef0123456789abcdef",)"
            R"("name":"alice","domain":{"id":"default","name":"Default"},"password_expires_at":null},)"
            R"("project":{"id":"00112233445566778899aabbccddeeff","name":"default",)"
            R"("domain":{"id":"default","name":"Default"}},"is_domain":false,)"
            R"("roles":[{"id":")" +
                made_id("role", "KooPhone Administrator") + R"(","name":"KooPhone Administrator"},{"id":")" +
                made_id("role", "blue") +
                R"(","name":"blue"}],"expires_at":"2023-11-15T22:13:20.000000Z",)"
                R"("issued_at":"2023-11-14T22:13:20.123000Z","audit_ids":["3T2dc1CGQxyJsHdDu1xkcw"]}})");
}

TEST(SessionAnswerTest, UnscopedTokenHasNothingOfAProject) {
  identity::SessionView unscoped = session();
  unscoped.project_id = unscoped.project = "";
  unscoped.roles.clear();
  const value token = parse(token_answer(unscoped, kBase, Catalog::kShown)).at("token");
  for (const char* name : {"project", "roles", "catalog", "is_domain"})
    EXPECT_FALSE(token.as_object().contains(name)) << name;
  EXPECT_EQ(token.at("user").at("name").as_string(), "alice");
}

TEST(SessionAnswerTest, CatalogLeadsToWhereTheClientCameFrom) {
  const value token = parse(token_answer(session(), kBase, Catalog::kShown)).at("token");
  const value catalog = parse(catalog_answer(kBase, session().project)).at("catalog");
  EXPECT_EQ(serialize(token.at("catalog")), serialize(catalog));
  ASSERT_EQ(catalog.as_array().size(), 2u);
  EXPECT_EQ(catalog.at(0).at("type").as_string(), "identity");
  EXPECT_EQ(catalog.at(1).at("type").as_string(), "koophone");
  std::set<std::string> ids;
  for (std::size_t service = 0; service < 2; ++service) {
    ids.emplace(catalog.at(service).at("id").as_string());
    const auto& endpoints = catalog.at(service).at("endpoints").as_array();
    ASSERT_EQ(endpoints.size(), 6u);
    std::multiset<std::string> regions;
    for (const value& endpoint : endpoints) {
      EXPECT_EQ(endpoint.at("url").as_string(), service == 0 ? "http://node:8080/v3" : kBase);
      EXPECT_EQ(endpoint.at("region"), endpoint.at("region_id"));
      regions.emplace(endpoint.at("region").as_string());
      ids.emplace(endpoint.at("id").as_string());
    }
    EXPECT_EQ(regions.count("RegionOne"), 3u);
    EXPECT_EQ(regions.count(session().project), 3u) << "as the service's clients look for it";
  }
  EXPECT_EQ(ids.size(), 14u);
}

TEST(SessionAnswerTest, MadeIdsAreOfKindAndName) {
  const std::string id = made_id("role", "blue");
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(made_id("role", "blue"), id);
  EXPECT_NE(made_id("role", "green"), id);
  EXPECT_NE(made_id("service", "blue"), id);
}

TEST(SessionAnswerTest, Projects) {
  const store::Project one{
      .seq = 1, .id = "00112233445566778899aabbccddeeff", .name = "one", .created_ms = 1};
  const value listed = parse(projects_answer({one}, kBase, "/v3/auth/projects"));
  const value shown = parse(project_answer(one, kBase));
  EXPECT_EQ(serialize(listed.at("projects").at(0)), serialize(shown.at("project")));
  EXPECT_EQ(listed.at("links").at("self").as_string(), "http://node:8080/v3/auth/projects");
  EXPECT_TRUE(listed.at("links").at("next").is_null());
  const value project = shown.at("project");
  EXPECT_EQ(project.at("id").as_string(), one.id);
  EXPECT_EQ(project.at("name").as_string(), "one");
  EXPECT_EQ(project.at("domain_id").as_string(), "default");
  EXPECT_TRUE(project.at("enabled").as_bool());
  EXPECT_EQ(project.at("links").at("self").as_string(), "http://node:8080/v3/projects/" + one.id);
  EXPECT_TRUE(parse(projects_answer({}, kBase, "/v3/projects")).at("projects").as_array().empty());
  EXPECT_EQ(parse(domains_answer(kBase)).at("domains").at(0).at("id").as_string(), "default");
}

TEST(SessionAnswerTest, Versions) {
  const value one = parse(version_answer(kBase)).at("version");
  EXPECT_EQ(one.at("id").as_string(), "v3.14");
  EXPECT_EQ(one.at("status").as_string(), "stable");
  EXPECT_EQ(one.at("links").at(0).at("href").as_string(), "http://node:8080/v3/");
  EXPECT_EQ(serialize(parse(versions_answer(kBase)).at("versions").at("values").at(0)), serialize(one));
}

TEST(SessionAnswerTest, ErrorsHaveBothForms) {
  EXPECT_EQ(error_answer({401, code::kNotAuthenticated, "no \"token\""}),
            R"({"error":{"code":401,"title":"Unauthorized","message":"no \"token\""},)"
            R"("error_code":"APIGW.0301","error_msg":"no \"token\""})");
}

}  // namespace
}  // namespace drover::api::keystone
