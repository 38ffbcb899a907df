#include "identity/password.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <set>

#include "identity/errc.h"
#include "identity/testing/alike.h"

namespace drover::identity {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::Lt;

const std::string kRight = "correct horse battery";

TEST(Password, OnlyTheRightOneIsRight) {
  const auto hash = hash_password(kRight);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_EQ(hash->find(kRight), std::string::npos);
  EXPECT_TRUE(password_is(*hash, kRight));
  EXPECT_FALSE(password_is(*hash, "correct horse batterz"));
  EXPECT_FALSE(password_is(*hash, kRight + " "));
  EXPECT_FALSE(password_is(*hash, kRight.substr(1)));
  EXPECT_FALSE(password_is(*hash, ""));
}

TEST(Password, EachHashHasASaltOfItsOwn) {
  const auto one = hash_password(kRight);
  const auto other = hash_password(kRight);
  ASSERT_TRUE(one && other);
  EXPECT_NE(*one, *other);
  EXPECT_TRUE(password_is(*other, kRight));
}

TEST(Password, AnyBytesAreTakenWhole) {
  const std::string bytes("\0\xff\0 ends", 8);
  const auto hash = hash_password(bytes);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(password_is(*hash, bytes));
  EXPECT_FALSE(password_is(*hash, std::string("\0\xff\0 endz", 8)));
}

TEST(Password, TooShortAndTooLongAreRefused) {
  EXPECT_EQ(hash_password(std::string(kShortestPassword - 1, 'a')).error().code, Errc::kBadPassword);
  EXPECT_EQ(hash_password(std::string(kLongestPassword + 1, 'a')).error().code, Errc::kBadPassword);
  EXPECT_TRUE(hash_password(std::string(kShortestPassword, 'a')));
  const std::string longest(kLongestPassword, 'a');
  const auto hash = hash_password(longest);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(password_is(*hash, longest));
  EXPECT_FALSE(password_is(*hash, longest + "a"));
  EXPECT_FALSE(password_is(*hash, longest + std::string(100'000, 'a')));
}

TEST(Password, NoneIsRightForNoHashOrABrokenOne) {
  EXPECT_FALSE(password_is("", ""));
  EXPECT_FALSE(password_is("", kRight));
  EXPECT_FALSE(password_is("$argon2id$v=19$m=19456,t=2,p=1$", kRight));
  EXPECT_FALSE(password_is("plain", "plain"));
  EXPECT_FALSE(password_is(std::string(100'000, '$'), kRight));
  auto cut = hash_password(kRight);
  ASSERT_TRUE(cut);
  cut->pop_back();
  EXPECT_FALSE(password_is(*cut, kRight));
}

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

TEST(Password, AUserWhoDoesNotExistTakesAsLongAsAWrongPassword) {
  const auto hash = hash_password(kRight);
  ASSERT_TRUE(hash);
  const auto cost = [](std::string_view of, std::string_view password) {
    const double begun = cpu_ms();
    EXPECT_FALSE(password_is(of, password));
    return cpu_ms() - begun;
  };
  EXPECT_GT(cost(*hash, "wrong password"), 2);  // slow is what it is for
  const std::string longest(100'000, 'a');
  constexpr double kFactor = 1.4;
  const auto ratios =
      ratios_to_first({[&] { return cost(*hash, "wrong password"); },
                       [&] { return cost("", "wrong password"); }, [&] { return cost("", longest); }},
                      kFactor);
  EXPECT_THAT(ratios, Each(AllOf(Gt(1 / kFactor), Lt(kFactor))));
}

TEST(Password, MadeOnesAreGoodAndDifferent) {
  std::set<std::string> made;
  for (int i = 0; i < 100; ++i) {
    const std::string password = make_password();
    EXPECT_EQ(password.size(), 20u);
    EXPECT_EQ(password.find_first_of("IOl01"), std::string::npos);
    made.insert(password);
  }
  EXPECT_EQ(made.size(), 100u);
}

}  // namespace
}  // namespace drover::identity
