// The servers that tests rely on: whatever befalls them, what was committed is there again.
#include "store/postgres/testing/server.h"

#include <gtest/gtest.h>

namespace drover::store::postgres {
namespace {

class TestServerTest : public testing::Test {
 protected:
  TestServerTest() : database_(server_.create_database()) {
    server_.execute(database_, "CREATE TABLE one AS SELECT 7 AS value");
  }
  std::string value() const { return server_.execute(database_, "SELECT value FROM one"); }

  TestServer server_;
  const std::string database_;
};

TEST_F(TestServerTest, DatabasesAreTheirOwn) {
  const std::string other = server_.create_database();
  EXPECT_THROW(server_.execute(other, "SELECT value FROM one"), std::runtime_error);
  EXPECT_EQ(value(), "7");
}

TEST_F(TestServerTest, ComesBackAfterAStop) {
  server_.stop();
  EXPECT_THROW(value(), std::runtime_error);
  server_.start();
  EXPECT_EQ(value(), "7");
}

TEST_F(TestServerTest, ComesBackAfterKill9) {
  server_.kill();
  EXPECT_THROW(value(), std::runtime_error);
  server_.start();
  EXPECT_EQ(value(), "7");
}

TEST_F(TestServerTest, IsSilentWhileFrozen) {
  server_.freeze();
  EXPECT_EQ(PQping((server_.tcp_conninfo(database_) + " connect_timeout=2").c_str()), PQPING_NO_RESPONSE);
  server_.thaw();
  EXPECT_EQ(value(), "7");
}

TEST_F(TestServerTest, LeavesNothingBehind) {
  std::string folder;
  {
    const TestServer other;
    folder = other.folder();
    EXPECT_TRUE(std::filesystem::exists(folder));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace drover::store::postgres
