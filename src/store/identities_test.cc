// Each change to who may do what, in each of its outcomes.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace drover::store {
namespace {

using change::AddGrant;
using change::AddKey;
using change::AddToken;
using change::PutPolicy;
using change::RemoveGrant;
using change::RemoveKey;
using change::RemovePolicy;
using change::RemoveToken;
using change::RemoveUser;
using change::Revoke;
using change::UpdateUser;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class IdentitiesTest : public StoreTest {
 protected:
  // Nothing for ok.
  std::error_code change(IdentityChange one) {
    const auto done = change_identity(store(), std::move(one));
    return done ? std::error_code() : done.error().code;
  }
  // As a new process finds them.
  IdentityRows rows() {
    reopen();
    return store().identity_rows().value();
  }

  static std::vector<std::string> names(const std::vector<User>& users) {
    std::vector<std::string> names;
    for (const User& user : users) names.push_back(user.name);
    return names;
  }
};

const std::error_code kOk;
const std::error_code kExists = Errc::kExists;
const std::error_code kNotFound = Errc::kNotFound;

TEST_P(IdentitiesTest, ProjectsHaveUniqueNamesAndIds) {
  const auto a = add_project(store(), "a").value();
  const auto b = add_project(store(), "b").value();
  EXPECT_EQ(a.seq, 1);
  EXPECT_NE(a.seq, b.seq);
  const auto again = add_project(store(), "a");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kExists);
  EXPECT_THAT(again.error().message, HasSubstr("project a"));
  const auto same_id =
      wait_for<Result<Project>>([&](auto done) { store().add_project({.id = a.id, .name = "c"}, done); });
  EXPECT_EQ(same_id.error().code, Errc::kExists);
  EXPECT_EQ(rows().projects, (std::vector{a, b}));
}

TEST_P(IdentitiesTest, TokensAreAddedAndRemoved) {
  Token token = make_token("t1", 3);
  token.hash = std::string("\0\xff\n", 3);
  EXPECT_EQ(change(AddToken{token}), kOk);
  EXPECT_EQ(change(AddToken{token}), kExists);
  EXPECT_EQ(rows().tokens, std::vector{token});
  EXPECT_EQ(change(RemoveToken{"t1"}), kOk);
  EXPECT_EQ(change(RemoveToken{"t1"}), kNotFound);
  EXPECT_THAT(rows().tokens, IsEmpty());
}

TEST_P(IdentitiesTest, UsersAreAddedWithTheirGrants) {
  const User ann = add_user(store(), "ann",
                            {{.user = 9, .project = 0, .policy = "KooPhone Administrator"},
                             {.user = 9, .project = 2, .policy = "blue"}})
                       .value();
  EXPECT_EQ(ann.seq, 1);
  EXPECT_EQ(rows().users, std::vector{ann});
  EXPECT_THAT(rows().grants,
              ElementsAre(Grant{ann.seq, 0, "KooPhone Administrator"}, Grant{ann.seq, 2, "blue"}));
}

TEST_P(IdentitiesTest, UserWhoseNameOrIdIsTakenLeavesNothing) {
  const User ann = add_user(store(), "ann").value();
  EXPECT_EQ(add_user(store(), "ann", {{.user = 0, .project = 1, .policy = "blue"}}).error().code, kExists);
  User same_id = make_user("bob");
  same_id.id = ann.id;
  const auto refused = wait_for<Result<User>>(
      [&](auto done) { store().add_user(same_id, {{.project = 1, .policy = "b"}}, done); });
  EXPECT_EQ(refused.error().code, kExists);
  EXPECT_EQ(rows().users, std::vector{ann});
  EXPECT_THAT(rows().grants, IsEmpty());
  EXPECT_EQ(add_user(store(), "bob").value().seq, ann.seq + 1);
}

TEST_P(IdentitiesTest, UsersAreChanged) {
  User ann = add_user(store(), "ann").value();
  const User bob = add_user(store(), "bob").value();
  const User before = ann;
  ann.name = "anna";
  ann.password = "";
  ann.enabled = false;
  ann.sessions_from_ms = 77;
  User sent = ann;
  sent.id = "not to be changed";
  sent.created_ms = 1;
  EXPECT_EQ(change(UpdateUser{sent}), kOk);
  EXPECT_EQ(change(UpdateUser{sent}), kOk) << "as it is";
  EXPECT_EQ(rows().users, (std::vector{ann, bob}));

  sent.name = "bob";
  sent.enabled = true;
  EXPECT_EQ(change(UpdateUser{sent}), kExists);
  sent.name = "carl";
  sent.seq = 77;
  EXPECT_EQ(change(UpdateUser{sent}), kNotFound);
  EXPECT_EQ(rows().users, (std::vector{ann, bob}));
}

TEST_P(IdentitiesTest, UsersGoWithTheirGrantsAndKeys) {
  const User ann = add_user(store(), "ann", {{.project = 1, .policy = "blue"}}).value();
  const User bob = add_user(store(), "bob", {{.project = 1, .policy = "blue"}}).value();
  EXPECT_EQ(change(AddKey{make_key("A", ann.seq)}), kOk);
  EXPECT_EQ(change(AddKey{make_key("B", bob.seq)}), kOk);
  EXPECT_EQ(change(RemoveUser{bob.seq}), kOk);
  EXPECT_EQ(change(RemoveUser{bob.seq}), kNotFound);
  const IdentityRows left = rows();
  EXPECT_THAT(names(left.users), ElementsAre("ann"));
  EXPECT_THAT(left.grants, ElementsAre(Grant{ann.seq, 1, "blue"}));
  EXPECT_EQ(left.keys, std::vector{make_key("A", ann.seq)});
  EXPECT_GT(add_user(store(), "bob").value().seq, bob.seq)
      << "what was given to the first is not the second's";
}

// What is given to a user while he is being removed would belong to nobody.
TEST_P(IdentitiesTest, NothingIsGivenToWhoIsNotThere) {
  EXPECT_EQ(change(AddGrant{{.user = 7, .project = 1, .policy = "blue"}}), kNotFound);
  EXPECT_EQ(change(AddKey{make_key("A", 7)}), kNotFound);
  EXPECT_THAT(rows().grants, IsEmpty());
  EXPECT_THAT(rows().keys, IsEmpty());
}

TEST_P(IdentitiesTest, GrantsAreAddedAndRemoved) {
  const std::int64_t ann = add_user(store(), "ann").value().seq;
  const Grant everywhere{ann, 0, "blue"};
  const Grant here{ann, 1, "blue"};
  EXPECT_EQ(change(AddGrant{here}), kOk);
  EXPECT_EQ(change(AddGrant{here}), kExists);
  EXPECT_EQ(change(AddGrant{everywhere}), kOk);
  EXPECT_EQ(change(AddGrant{{ann, 1, "red"}}), kOk);
  EXPECT_EQ(change(RemoveGrant{{ann, 1, "red"}}), kOk);
  EXPECT_EQ(change(RemoveGrant{{ann, 1, "red"}}), kNotFound);
  EXPECT_EQ(change(RemoveGrant{{ann, 2, "blue"}}), kNotFound);
  EXPECT_THAT(rows().grants, ElementsAre(everywhere, here));
}

TEST_P(IdentitiesTest, PoliciesAreReplacedByTheirName) {
  EXPECT_EQ(change(PutPolicy{{"zoo", "{}", 5}}), kOk);
  EXPECT_EQ(change(PutPolicy{{"ant", "{\"a\":1}", 6}}), kOk);
  EXPECT_EQ(change(PutPolicy{{"zoo", "{\"b\":2}", 7}}), kOk);
  EXPECT_EQ(rows().policies, (std::vector<Policy>{{"zoo", "{\"b\":2}", 5}, {"ant", "{\"a\":1}", 6}}));
  EXPECT_EQ(change(RemovePolicy{"zoo"}), kOk);
  EXPECT_EQ(change(RemovePolicy{"zoo"}), kNotFound);
  EXPECT_EQ(rows().policies, (std::vector<Policy>{{"ant", "{\"a\":1}", 6}}));
}

TEST_P(IdentitiesTest, KeysAreAddedAndRemoved) {
  const std::int64_t ann = add_user(store(), "ann").value().seq;
  AccessKey key = make_key("A", ann);
  key.sealed = std::string("\0\xff", 2);
  EXPECT_EQ(change(AddKey{key}), kOk);
  EXPECT_EQ(change(AddKey{make_key("A", ann)}), kExists);
  EXPECT_EQ(rows().keys, std::vector{key});
  EXPECT_EQ(change(RemoveKey{"A"}), kOk);
  EXPECT_EQ(change(RemoveKey{"A"}), kNotFound);
  EXPECT_THAT(rows().keys, IsEmpty());
}

TEST_P(IdentitiesTest, RevocationsAreForgottenWhenTheyHaveExpired) {
  const Revocation first{std::string(1, '\0') + std::string(15, 'a'), 100};
  const Revocation second{std::string(16, '\xff'), 200};
  EXPECT_EQ(change(Revoke{second, 1}), kOk);
  EXPECT_EQ(change(Revoke{first, 1}), kOk);
  EXPECT_EQ(change(Revoke{first, 99}), kOk);
  EXPECT_EQ(rows().revocations, (std::vector{first, second}));
  EXPECT_EQ(change(Revoke{{std::string(16, 'c'), 300}, 100}), kOk);
  EXPECT_EQ(rows().revocations, (std::vector{Revocation{std::string(16, 'c'), 300}, second}));
}

// A name that is taken, or not there, costs nobody his part of the same commit.
TEST_P(IdentitiesTest, RefusedChangesDoNotHarmTheirNeighbours) {
  const std::int64_t ann = add_user(store(), "ann").value().seq;
  User nobody = make_user("nobody");
  nobody.seq = 77;
  User taken = make_user("bob");
  taken.seq = ann;
  std::vector<std::error_code> codes;
  const auto note = [&codes](const auto& result) {
    codes.push_back(result ? std::error_code() : result.error().code);
  };
  HeldWriter held(store());
  const double before = metric("drover_store_commit_seconds");
  store().write(accept(make_task(1, 1)), [note](const Result<>& result, const WriteBatch&) { note(result); });
  store().add_user(make_user("bob"), {}, note);
  store().add_user(make_user("ann"), {}, note);
  for (IdentityChange one : std::initializer_list<IdentityChange>{
           UpdateUser{taken}, UpdateUser{nobody}, RemoveUser{77}, AddGrant{{77, 1, "blue"}},
           RemoveGrant{{77, 1, "blue"}}, RemovePolicy{"blue"}, AddKey{make_key("A", 77)}, RemoveKey{"A"},
           RemoveToken{"t"}, AddToken{make_token("t")}, AddToken{make_token("t")}}) {
    store().change_identity(std::move(one), note);
  }
  held.release();
  store().close();
  EXPECT_THAT(codes, ElementsAre(kOk, kOk, kExists, kExists, kNotFound, kNotFound, kNotFound, kNotFound,
                                 kNotFound, kNotFound, kNotFound, kNotFound, kOk, kExists));
  EXPECT_EQ(metric("drover_store_commit_seconds") - before, 1);
  EXPECT_THAT(names(rows().users), ElementsAre("ann", "bob"));
  EXPECT_EQ(list_tasks(store(), 1)->size(), 1u);
}

ON_EVERY_ENGINE(IdentitiesTest);

}  // namespace
}  // namespace drover::store
