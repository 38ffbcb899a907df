#include "store/postgres/unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "store/errc.h"
#include "store/postgres/conninfo.h"
#include "store/postgres/refusal.h"

namespace drover::store::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Rows, NothingReadsAsNothing) {
  const Rows none;
  EXPECT_EQ(none.size(), 0);
  EXPECT_TRUE(none.is_null(0, 0));
  EXPECT_EQ(none.integer(0, 0), 0);
  EXPECT_EQ(none.bytes(0, 0), "");
  EXPECT_EQ(none.changed(), 0);
}

TEST(Rows, WhatIsNotThereOrDoesNotFitReadsAsNothing) {
  PGresult* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  PGresAttDesc columns[] = {{const_cast<char*>("n"), 0, 0, 1, 20, 8, 0},
                            {const_cast<char*>("t"), 0, 0, 1, 25, -1, 0}};
  ASSERT_EQ(PQsetResultAttrs(result, 2, columns), 1);
  char three[] = "abc";
  char eight[] = "abcdefgh";
  PQsetvalue(result, 0, 0, three, 3);
  PQsetvalue(result, 0, 1, eight, 8);
  const Rows rows(result);
  EXPECT_EQ(rows.integer(0, 0), 0);  // an int8 of three bytes
  EXPECT_EQ(rows.integer(0, 1), 0);  // a text of eight
  EXPECT_EQ(rows.bytes(0, 1), "abcdefgh");
  for (const int other : {-1, 2}) {
    EXPECT_EQ(rows.bytes(0, other), "");
    EXPECT_EQ(rows.bytes(other, 0), "");
    EXPECT_TRUE(rows.is_null(other, other));
  }
}

TEST(Refusal, ReasonsThatMayPassAreUnavailable) {
  for (const char* state :
       {"53300", "53100", "57P01", "57P03", "57014", "08006", "25006", "40001", "40P01", "55P03", "58030"}) {
    EXPECT_EQ(refusal(state, "no").code, Errc::kUnavailable) << state;
    EXPECT_EQ(sqlstate(refusal(state, "no")), state);
  }
  for (const char* state : {"23505", "42P01", "DR001", "22021", "XX000"}) {
    EXPECT_EQ(refusal(state, "no").code, Errc::kRejected) << state;
    EXPECT_EQ(sqlstate(refusal(state, "no")), state);
  }
  EXPECT_EQ(refusal("23505", "twice").message, "the database refused a command: 23505: twice");
}

TEST(Refusal, OtherErrorsHaveNoSqlstate) {
  EXPECT_EQ(sqlstate(failure(Errc::kUnavailable).value()), "");
  EXPECT_EQ(sqlstate(failure(Errc::kUnavailable, "not connected").value()), "");
  EXPECT_EQ(sqlstate(failure(Errc::kUnavailable, "words: more").value()), "");
  EXPECT_EQ(sqlstate(failure(Errc::kUnknownFate, "23505: x").value()), "");
}

TEST(Conninfo, EachServerIsATargetOfItsOwn) {
  const auto info =
      Conninfo::parse("host=db1,10.0.0.2,/run/pg port=5432,5433,5434 dbname=d user=u", "drover");
  ASSERT_TRUE(info);
  ASSERT_EQ(info->targets().size(), 3u);
  EXPECT_EQ(info->targets()[1].host, "10.0.0.2");
  EXPECT_EQ(info->targets()[1].port, "5433");
  EXPECT_TRUE(Conninfo::needs_lookup(info->targets()[0]));
  EXPECT_FALSE(Conninfo::needs_lookup(info->targets()[1]));
  EXPECT_FALSE(Conninfo::needs_lookup(info->targets()[2]));
  EXPECT_EQ(info->describe(info->targets()[0]), "PostgreSQL at db1:5432, database \"d\"");
  const auto uri = Conninfo::parse("postgresql://u:secret@h1:1,h2:2/d?sslmode=require", "drover");
  ASSERT_TRUE(uri);
  ASSERT_EQ(uri->targets().size(), 2u);
  EXPECT_EQ(uri->describe(uri->targets()[1]), "PostgreSQL at h2:2, database \"d\"");
}

TEST(Conninfo, WhatTheUserSetsCountsBeforeTheDefaults) {
  using Pair = std::pair<std::string, std::string>;
  const auto info = Conninfo::parse("host=h keepalives_idle=60 target_session_attrs=any", "node one");
  ASSERT_TRUE(info);
  const auto settings = info->settings(info->targets()[0]);
  EXPECT_THAT(settings, testing::Contains(Pair("keepalives_idle", "60")).Times(1));
  EXPECT_THAT(settings, testing::Contains(Pair("target_session_attrs", "any")).Times(1));
  EXPECT_THAT(settings, testing::Contains(Pair("tcp_user_timeout", "5000")).Times(1));
  EXPECT_THAT(settings, Not(testing::Contains(Pair("keepalives_idle", "5"))));
  EXPECT_THAT(settings, testing::Contains(Pair("fallback_application_name", "node one")));
}

TEST(Conninfo, AComplaintShowsNothingOfIt) {
  for (const char* text : {"host=h password=my secret", "postgresql://u:secret%zz@h/d", "secret",
                           "postgresql://u:secret@h/d?secret"}) {
    const auto info = Conninfo::parse(text, "drover");
    ASSERT_FALSE(info) << text;
    EXPECT_THAT(info.error().message, Not(HasSubstr("secret"))) << text;
  }
}

}  // namespace
}  // namespace drover::store::postgres
