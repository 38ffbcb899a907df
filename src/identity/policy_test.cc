#include "identity/policy.h"

#include <gtest/gtest.h>

#include <ctime>

#include "identity/errc.h"

namespace drover::identity {
namespace {

using Verdict = Permissions::Verdict;

const Labels kNone;
const Labels kBlue{{"team", "blue"}, {"rack", "7"}};

Permissions of(std::initializer_list<std::string_view> documents) {
  std::vector<std::shared_ptr<const Policy>> policies;
  for (const std::string_view document : documents) {
    auto policy = parse_policy("p" + std::to_string(policies.size() + 1), document);
    EXPECT_TRUE(policy) << policy.error().message;
    policies.push_back(std::make_shared<const Policy>(*std::move(policy)));
  }
  return Permissions(std::move(policies));
}

std::string refusal(std::string_view document) {
  const auto policy = parse_policy("p", document);
  if (policy) return "taken";
  EXPECT_EQ(policy.error().code, Errc::kBadPolicy);
  return policy.error().message;
}

TEST(Policy, SystemRoles) {
  const Permissions all({std::make_shared<const Policy>(administrator())});
  const Permissions queries({std::make_shared<const Policy>(read_only_user())});
  const Permissions nothing;
  for (std::size_t i = 0; i < kActions; ++i) {
    const auto action = static_cast<Action>(i);
    EXPECT_EQ(all.verdict(action), Verdict::kAllowed);
    EXPECT_EQ(queries.verdict(action), is_query(action) ? Verdict::kAllowed : Verdict::kDenied);
    EXPECT_EQ(nothing.verdict(action), Verdict::kDenied);
    EXPECT_EQ(find_action(name_of(action)), action);
  }
}

TEST(Policy, AllowsByInstanceAndLabel) {
  const Permissions some = of({R"({"Version":"1.1","Statement":[{"Effect":"Allow",
      "Action":["koophone:cloudphoneResource:*InvokeInstance"],"Resource":["instance:lab-*","label:team=blue"]}]})"});
  EXPECT_EQ(some.verdict(Action::kAsyncCommand), Verdict::kByInstance);
  EXPECT_EQ(some.verdict(Action::kReadTask), Verdict::kDenied);
  EXPECT_TRUE(some.allows(Action::kAsyncCommand, {"lab-1", kNone}));
  EXPECT_TRUE(some.allows(Action::kSyncCommand, {"phone", kBlue}));
  EXPECT_FALSE(some.allows(Action::kSyncCommand, {"phone", kNone}));
  EXPECT_FALSE(some.allows(Action::kReadTask, {"lab-1", kBlue}));
}

TEST(Policy, DenyWins) {
  const Permissions mixed = of({R"({"Statement":[{"Effect":"Allow","Action":"*"}]})",
                                R"({"Statement":[{"Effect":"Deny","Action":"*","Resource":"instance:prod-*"},
                                                 {"Effect":"Deny","Action":"drover:instance:*"}]})"});
  EXPECT_EQ(mixed.verdict(Action::kAsyncCommand), Verdict::kByInstance);
  EXPECT_EQ(mixed.verdict(Action::kPutInstance), Verdict::kDenied);
  EXPECT_TRUE(mixed.allows(Action::kAsyncCommand, {"dev-1", kNone}));
  EXPECT_FALSE(mixed.allows(Action::kAsyncCommand, {"prod-1", kNone}));
  EXPECT_EQ(mixed.decide(Action::kAsyncCommand, {"prod-1", kNone}).why,
            "statement 1 of policy \"p2\" denies it");
  EXPECT_EQ(mixed.decide(Action::kAsyncCommand, {"dev-1", kNone}).why,
            "statement 1 of policy \"p1\" allows it");
  EXPECT_EQ(of({}).decide(Action::kReboot, {"x", kNone}).why, "no statement allows it");
}

TEST(Policy, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(refusal("{"), "the policy is malformed: it is no JSON");
  EXPECT_NE(refusal("[]").find("Statement"), std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[]})").find("Statement"), std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[1]})").find("Statement[0]"), std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[{"Effect":"allow","Action":"*"}]})").find("Effect"), std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[{"Effect":"Allow"}]})").find("Action is missing"), std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[{"Effect":"Allow","Action":"koophone:x"}]})").find("koophone:x"),
            std::string::npos);
  EXPECT_NE(
      refusal(R"({"Statement":[{"Effect":"Allow","Action":"*","Resource":"phone"}]})").find("label:KEY"),
      std::string::npos);
  EXPECT_NE(refusal(R"({"Statement":[{"Effect":"Allow","Action":"*","Condition":{}}]})").find("Condition"),
            std::string::npos);
  EXPECT_NE(refusal(std::string(20'000, ' ')).find("16,384"), std::string::npos);
}

TEST(Policy, Globs) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*c", "abbc"));
  EXPECT_TRUE(glob_match("a*b*c", "axbxbxc"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_FALSE(glob_match("a*c", "abb"));
  EXPECT_FALSE(glob_match("a", "ab"));
}

// A matcher that goes back to every star takes for ever; here it is the product of the lengths at most.
TEST(Policy, NoGlobTakesLong) {
  const auto cpu = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const double start = cpu();
  std::string stars;
  for (int i = 0; i < 4'000; ++i) stars += "*a";
  EXPECT_FALSE(glob_match(stars + "b", std::string(kLongestPolicy, 'a')));
  EXPECT_FALSE(glob_match("*" + std::string(4'000, 'a') + "b", std::string(8'000, 'a')));
  EXPECT_FALSE(glob_match(std::string(kLongestPolicy, '*') + "b", std::string(kLongestPolicy, 'a')));
  EXPECT_LT(cpu() - start, 5);
}

}  // namespace
}  // namespace drover::identity
