#include "store/postgres/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/errc.h"
#include "store/postgres/refusal.h"

namespace drover::store {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string advice(std::string_view detail, Errc code = Errc::kUnavailable) {
  return postgres_advice(failure(code, detail).value());
}

TEST(PostgresAdvice, FitsTheCause) {
  const std::string at = "PostgreSQL at h:5432, database \"d\": ";
  EXPECT_THAT(advice(at + "Connection refused"), HasSubstr("psql"));
  EXPECT_THAT(advice(at + "28P01: password authentication failed for user \"ann\""), HasSubstr("PGPASSWORD"));
  EXPECT_THAT(advice(at + "fe_sendauth: no password supplied"), HasSubstr("~/.pgpass"));
  EXPECT_THAT(advice(at + "3D000: database \"d\" does not exist"), HasSubstr("createdb"));
  EXPECT_THAT(advice(at + "53300: sorry, too many clients already"), HasSubstr("max_connections"));
  EXPECT_THAT(advice(at + "session is read-only"), HasSubstr("primary"));
  EXPECT_THAT(advice("25006: cannot execute nextval() in a read-only transaction"), HasSubstr("pooler"));
}

// Where the cause is known, nobody has to look for it.
TEST(PostgresAdvice, IsSilentWhereTheMessageSaysItAll) {
  EXPECT_EQ(advice("PostgreSQL at h:5432, database \"d\": 57P03: the database system is starting up"), "");
  EXPECT_EQ(advice("fe_sendauth: no password supplied: the password file /p has mode 0644: chmod 600 /p"),
            "");
  EXPECT_EQ(advice("42501: permission denied for database d", Errc::kRejected), "");
  EXPECT_EQ(advice("the schema drover belongs to another program", Errc::kCorrupt), "");
}

TEST(SqlstateIn, FindsTheServersWord) {
  EXPECT_EQ(postgres::sqlstate_in("a: PostgreSQL at h:1, database \"d\": 28P01: no"), "28P01");
  EXPECT_EQ(postgres::sqlstate_in("PostgreSQL at h:15432, database \"d: AB12C\": Connection refused"), "");
  EXPECT_EQ(postgres::sqlstate_in("a: 28P0"), "");
  EXPECT_EQ(postgres::sqlstate_in(""), "");
}

}  // namespace
}  // namespace drover::store
