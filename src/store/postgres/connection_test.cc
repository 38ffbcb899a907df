#include "store/postgres/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/postgres/testing/server.h"

namespace drover::store::postgres {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Answer = Result<std::vector<Rows>>;

// Keeps what the connection tells.
class Listener final : public ConnectionEvents {
 public:
  void on_up() override {
    if (listen) {
      Unit unit;
      unit.add("LISTEN news");
      connection->run(std::move(unit), [](const Answer&) {});
    }
    note([&] { ++ups; });
  }
  void on_down(const Error& why) override {
    note([&] { downs.push_back(why); });
  }
  void on_notice(const std::string& channel, const std::string& payload) override {
    note([&] { notices.push_back(channel + ":" + payload); });
  }

  bool wait(const std::function<bool()>& what, std::chrono::milliseconds patience = 15s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, what);
  }
  // While it goes on trying, more of them come.
  Error down(std::size_t i) {
    const std::lock_guard lock(mutex_);
    return downs.at(i);
  }

  Connection* connection = nullptr;
  bool listen = false;
  int ups = 0;
  std::vector<Error> downs;
  std::vector<std::string> notices;

 private:
  void note(const std::function<void()>& what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
};

// A connection on a loop of its own.
class Client {
 public:
  explicit Client(const std::string& conninfo, Millis answer_patience = 15s, bool listen = false)
      : thread_(clock_, "store") {
    listener.listen = listen;
    call_on(thread_.loop(), [&] {
      Connection::Options options;
      options.conninfo = conninfo;
      options.application_name = "drover test";
      options.connect_patience = 2s;
      options.answer_patience = answer_patience;
      connection = std::make_unique<Connection>(thread_.loop(), options, &listener);
      listener.connection = connection.get();
      connection->start();
    });
  }
  ~Client() {
    call_on(thread_.loop(), [&] { connection.reset(); });
  }

  bool wait_up(int times = 1) {
    return listener.wait([&, times] { return listener.ups >= times; });
  }

  std::future<Answer> send(Unit unit) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    call_on(thread_.loop(), [&] {
      connection->run(std::move(unit), [promise](Answer answer) { promise->set_value(std::move(answer)); });
    });
    return future;
  }
  std::future<Answer> send(const std::string& sql, Params params = {}) {
    Unit unit;
    unit.add(sql, std::move(params));
    return send(std::move(unit));
  }
  Answer run(Unit unit) { return send(std::move(unit)).get(); }
  Answer run(const std::string& sql, Params params = {}) { return send(sql, std::move(params)).get(); }
  std::int64_t number(const std::string& sql, Params params = {}) {
    const Answer answer = run(sql, std::move(params));
    if (!answer) ADD_FAILURE() << answer.error().message;
    return answer ? answer->at(0).integer(0, 0) : -1;
  }

  Loop& loop() { return thread_.loop(); }

  Listener listener;
  std::unique_ptr<Connection> connection;

 private:
  Clock clock_;
  LoopThread thread_;
};

class ConnectionTest : public testing::Test {
 protected:
  static TestServer& server() { return TestServer::shared(); }
  const std::string database_ = server().create_database();
  const std::string conninfo_ = server().tcp_conninfo(database_);
};

TEST_F(ConnectionTest, RunsCommandsAndGivesOneRowsForEach) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  Unit unit;
  unit.add("CREATE TABLE t (n int8, small int4, yes bool)");
  unit.add("INSERT INTO t VALUES ($1, $2, $3), (7, 8, NULL)",
           Params().add(-5'000'000'000).add_int4(-6).add_bool(true));
  unit.add("SELECT * FROM t ORDER BY n");
  const Answer answer = client.run(std::move(unit));
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->size(), 3u);
  EXPECT_EQ(answer->at(1).changed(), 2);
  const Rows& rows = answer->at(2);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows.integer(0, 0), -5'000'000'000);
  EXPECT_EQ(rows.integer(0, 1), -6);
  EXPECT_EQ(rows.integer(0, 2), 1);
  EXPECT_TRUE(rows.is_null(1, 2));
}

TEST_F(ConnectionTest, AUnitIsOneTransaction) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  ASSERT_TRUE(client.run("CREATE TABLE t (n int8 PRIMARY KEY)"));
  Unit unit;
  unit.add("INSERT INTO t VALUES (1)");
  unit.add("INSERT INTO t VALUES (2)");
  unit.add("INSERT INTO t VALUES (1)");
  unit.add("INSERT INTO t VALUES (3)");
  const Answer answer = client.run(std::move(unit));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kRejected);
  EXPECT_EQ(sqlstate(answer.error()), "23505");
  EXPECT_THAT(answer.error().message, Not(HasSubstr("(1)")));
  EXPECT_EQ(client.number("SELECT count(*) FROM t"), 0);
}

TEST_F(ConnectionTest, WhatFailsAtTheEndOfTheTransactionFailsTheUnit) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  ASSERT_TRUE(client.run("CREATE TABLE t (n int8 UNIQUE DEFERRABLE INITIALLY DEFERRED)"));
  auto first = client.send("INSERT INTO t VALUES (1), (1)");
  auto second = client.send("INSERT INTO t VALUES (2)");
  EXPECT_EQ(sqlstate(first.get().error()), "23505");
  EXPECT_TRUE(second.get());
  EXPECT_EQ(client.number("SELECT count(*) FROM t"), 1);
}

TEST_F(ConnectionTest, UnitsAreAnsweredInOrderAndAFailureHarmsNoOther) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  ASSERT_TRUE(client.run("CREATE TABLE t (n int8 PRIMARY KEY)"));
  const Statement insert{"insert", "INSERT INTO t VALUES ($1)"};
  std::vector<int> order;
  std::promise<void> last;
  call_on(client.loop(), [&] {
    for (int i = 0; i < 1000; ++i) {
      Unit unit;
      unit.add(insert, Params().add(i % 10 == 3 ? 0 : i));  // 0 is there already
      client.connection->run(std::move(unit), [&, i](const Answer& answer) {
        order.push_back(i);
        EXPECT_EQ(answer.has_value(), i % 10 != 3) << i;
        if (i == 999) last.set_value();
      });
    }
    EXPECT_TRUE(order.empty());
  });
  last.get_future().wait();
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(client.number("SELECT count(*) FROM t"), 900);
}

TEST_F(ConnectionTest, AnythingRoundTripsInBinary) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const std::vector<std::int64_t> numbers{INT64_MIN, -1, 0, INT64_MAX};
  const std::vector<std::optional<std::int64_t>> holes{1, std::nullopt, 3, std::nullopt};
  const std::vector<std::int32_t> small{INT32_MIN, -1, 0, INT32_MAX};
  const std::vector<std::string_view> texts{"", "gr\xc3\xbc\xc3\x9f", "{\"a,b\"}", "NULL"};
  const std::vector<std::optional<std::string_view>> bytes{all, std::nullopt, "", std::string_view("\0x", 2)};
  const Statement select{"all", "SELECT * FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY"};
  Unit unit;
  unit.add(select, Params().add(numbers).add(holes).add_int4s(small).add_texts(texts).add_bytes(bytes));
  unit.add(select, Params()
                       .add(std::span<const std::int64_t>())
                       .add(std::span<const std::int64_t>())
                       .add_int4s({})
                       .add_texts({})
                       .add_bytes(std::span<const std::optional<std::string_view>>()));
  unit.add("SELECT $1, $2, $3, $4::int8",
           Params().add_bytes(all).add_text("text").add_bool(false).add_null());
  const Answer answer = client.run(std::move(unit));
  ASSERT_TRUE(answer) << answer.error().message;
  const Rows& rows = answer->at(0);
  ASSERT_EQ(rows.size(), 4);
  for (int i = 0; i < 4; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(rows.integer(i, 0), numbers[at]);
    EXPECT_EQ(rows.is_null(i, 1), !holes[at]);
    EXPECT_EQ(rows.integer(i, 1), holes[at].value_or(0));
    EXPECT_EQ(rows.integer(i, 2), small[at]);
    EXPECT_EQ(rows.bytes(i, 3), texts[at]);
    EXPECT_EQ(rows.is_null(i, 4), !bytes[at]);
    EXPECT_EQ(rows.bytes(i, 4), bytes[at].value_or(""));
  }
  EXPECT_EQ(answer->at(1).size(), 0);
  EXPECT_EQ(answer->at(2).bytes(0, 0), all);
  EXPECT_EQ(answer->at(2).bytes(0, 1), "text");
  EXPECT_EQ(answer->at(2).integer(0, 2), 0);
  EXPECT_TRUE(answer->at(2).is_null(0, 3));
}

TEST_F(ConnectionTest, MegabytesGoBothWays) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  const std::string much(8'000'000, 'x');
  std::vector<std::future<Answer>> answers;
  answers.reserve(10);
  for (int i = 0; i < 10; ++i) answers.push_back(client.send("SELECT $1", Params().add_bytes(much)));
  for (auto& one : answers) EXPECT_EQ(one.get()->at(0).bytes(0, 0), much);
}

TEST_F(ConnectionTest, AStatementIsParsedOnceForEachKindOfParameters) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  ASSERT_TRUE(client.run("CREATE TABLE t (n int8)"));
  const Statement insert{"insert", "INSERT INTO t VALUES ($1)"};
  for (int i = 0; i < 10; ++i) {
    Unit unit;
    unit.add(insert, i % 2 == 0 ? Params().add_null() : Params().add(i));
    unit.add(insert, Params().add_int4(i));
    ASSERT_TRUE(client.run(std::move(unit)));
  }
  EXPECT_EQ(client.number("SELECT count(*) FROM pg_prepared_statements"), 3);
  EXPECT_EQ(client.number("SELECT sum(n)::int8 FROM t"), 45 + 25);
}

TEST_F(ConnectionTest, AStatementThatCannotBeParsedSaysWhyAndIsTriedAgain) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  const Statement insert{"insert", "INSERT INTO t VALUES ($1)"};
  std::vector<std::future<Answer>> answers;
  const auto unit = [&](int n) {
    Unit made;
    made.add(insert, Params().add(n));
    return made;
  };
  // Both before the first is answered.
  answers.reserve(2);
  for (int i = 0; i < 2; ++i) answers.push_back(client.send(unit(i)));
  for (auto& one : answers) {
    const Answer answer = one.get();
    ASSERT_FALSE(answer);
    EXPECT_EQ(sqlstate(answer.error()), "42P01") << answer.error().message;
  }
  ASSERT_TRUE(client.run("CREATE TABLE t (n int8)"));
  EXPECT_TRUE(client.run(unit(3)));
  EXPECT_EQ(client.number("SELECT n FROM t"), 3);
}

TEST_F(ConnectionTest, OldStatementsAreLetGo) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  std::deque<std::string> names;
  std::deque<Statement> statements;
  for (int i = 0; i < 400; ++i) {
    names.push_back("s" + std::to_string(i));
    statements.push_back({names.back().c_str(), "SELECT " + std::to_string(i) + "::int8"});
  }
  std::vector<std::future<Answer>> answers;
  for (int round = 0; round < 2; ++round) {
    for (const Statement& one : statements) {
      Unit unit;
      unit.add(one, {});
      answers.push_back(client.send(std::move(unit)));
    }
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Answer answer = answers[i].get();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->at(0).integer(0, 0), static_cast<int>(i % 400));
  }
  EXPECT_EQ(client.number("SELECT count(*) FROM pg_prepared_statements"), 256);
}

TEST_F(ConnectionTest, WhatNoMessageHoldsIsRefusedAndTheConnectionStays) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  Params params;
  for (int i = 0; i < 65'536; ++i) params.add_null();
  auto refused = client.send("SELECT 1", std::move(params));
  auto next = client.send("SELECT 2");
  EXPECT_EQ(sqlstate(refused.get().error()), "54000");
  EXPECT_TRUE(next.get());
  const Answer with_nul = client.run("SELECT $1", Params().add_text(std::string_view("a\0b", 3)));
  EXPECT_EQ(sqlstate(with_nul.error()), "22021");
  EXPECT_TRUE(client.run(Unit{}));
}

TEST_F(ConnectionTest, ItsSessionHasTimeoutsAndUtf8) {
  Client client(conninfo_ +
                " options='-c statement_timeout=1h -c synchronous_commit=off"
                " -c default_transaction_isolation=serializable'");
  ASSERT_TRUE(client.wait_up());
  const auto show = [&](const std::string& name) {
    const Answer answer = client.run("SHOW " + name);
    return answer ? std::string(answer->at(0).bytes(0, 0)) : answer.error().message;
  };
  EXPECT_EQ(show("statement_timeout"), "30s");
  EXPECT_EQ(show("transaction_isolation"), "read committed");
  EXPECT_EQ(show("lock_timeout"), "10s");
  EXPECT_EQ(show("idle_in_transaction_session_timeout"), "30s");
  EXPECT_EQ(show("synchronous_commit"), "on");
  EXPECT_EQ(show("client_encoding"), "UTF8");
  EXPECT_EQ(show("application_name"), "drover test");
}

TEST_F(ConnectionTest, ABackendThatEndsLeavesUnknownFatesAndTheConnectionComesBack) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  const std::int64_t pid = client.number("SELECT pg_backend_pid()");
  auto sleeper = client.send("SELECT pg_sleep(20)");
  auto behind = client.send("SELECT 1");
  server().execute(database_, "SELECT pg_terminate_backend(" + std::to_string(pid) + ")");
  EXPECT_EQ(sleeper.get().error().code, Errc::kUnknownFate);
  const Answer answer = behind.get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUnknownFate);
  EXPECT_THAT(answer.error().message, HasSubstr("terminating connection"));
  ASSERT_TRUE(client.wait_up(2));
  EXPECT_EQ(client.listener.downs.size(), 1u);
  EXPECT_NE(client.number("SELECT pg_backend_pid()"), pid);
}

TEST_F(ConnectionTest, ATerminatedBackendAtRestIsNoticedAtOnce) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  const std::int64_t pid = client.number("SELECT pg_backend_pid()");
  server().execute(database_, "SELECT pg_terminate_backend(" + std::to_string(pid) + ")");
  ASSERT_TRUE(client.wait_up(2));
  EXPECT_THAT(client.listener.down(0).message, HasSubstr("terminating connection"));
}

TEST_F(ConnectionTest, RefusalsOfUnitsBeforeTheBreakStayRefusals) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  auto refused = client.send("SELECT * FROM nowhere");
  auto ending = client.send("SELECT pg_terminate_backend(pg_backend_pid())");
  EXPECT_EQ(sqlstate(refused.get().error()), "42P01");
  EXPECT_EQ(ending.get().error().code, Errc::kUnknownFate);
  ASSERT_TRUE(client.wait_up(2));
}

TEST_F(ConnectionTest, NoticesArriveAlsoAfterItCameBack) {
  Client client(conninfo_, 15s, true);
  ASSERT_TRUE(client.wait_up());
  const std::int64_t pid = client.number("SELECT pg_backend_pid()");
  server().execute(database_, "NOTIFY news, 'one'");
  ASSERT_TRUE(client.listener.wait([&] { return client.listener.notices.size() == 1; }));
  server().execute(database_, "SELECT pg_terminate_backend(" + std::to_string(pid) + ")");
  ASSERT_TRUE(client.wait_up(2));
  ASSERT_TRUE(client.run("SELECT 1"));
  server().execute(database_, "NOTIFY news, 'two'");
  ASSERT_TRUE(client.listener.wait([&] { return client.listener.notices.size() == 2; }));
  EXPECT_THAT(client.listener.notices, ElementsAre("news:one", "news:two"));
}

TEST_F(ConnectionTest, StopAnswersWhatIsUnderWay) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  auto sleeper = client.send("SELECT pg_sleep(20)");
  call_on(client.loop(), [&] { client.connection->stop(); });
  ASSERT_EQ(sleeper.wait_for(0s), std::future_status::ready);
  EXPECT_EQ(sleeper.get().error().code, Errc::kClosed);
  EXPECT_EQ(client.run("SELECT 1").error().code, Errc::kClosed);
  EXPECT_TRUE(client.listener.downs.empty());
}

TEST_F(ConnectionTest, ACallbackMayDestroyIt) {
  Client client(conninfo_);
  ASSERT_TRUE(client.wait_up());
  std::promise<Errc> second;
  call_on(client.loop(), [&] {
    Unit one;
    one.add("SELECT 1");
    client.connection->run(std::move(one), [&](const Answer&) { client.connection.reset(); });
    Unit two;
    two.add("SELECT pg_sleep(20)");
    client.connection->run(std::move(two), [&](const Answer& answer) {
      second.set_value(static_cast<Errc>(answer.error().code.value()));
    });
  });
  EXPECT_EQ(second.get_future().get(), Errc::kClosed);
}

TEST_F(ConnectionTest, SaysWhatIsWrongButNeverThePassword) {
  Client wrong_database(server().tcp_conninfo("nowhere") + " password=sesame");
  Client wrong_port("host=127.0.0.1 port=1 user=drover dbname=d password=sesame");
  Client wrong_host("host=no-such-host.invalid user=drover dbname=d password=sesame");
  Client wrong_text("host=127.0.0.1 password=open sesame");
  for (Client* one : {&wrong_database, &wrong_port, &wrong_host, &wrong_text}) {
    ASSERT_TRUE(one->listener.wait([&] { return !one->listener.downs.empty(); }));
    const Error why = one->listener.down(0);
    EXPECT_EQ(why.code, Errc::kUnavailable);
    EXPECT_THAT(why.message, Not(HasSubstr("sesame")));
    const Answer answer = one->run("SELECT 1");
    EXPECT_EQ(answer.error().code, Errc::kUnavailable);
  }
  EXPECT_THAT(wrong_database.listener.down(0).message,
              HasSubstr("database \"nowhere\": 3D000: database \"nowhere\" does not exist"));
  EXPECT_THAT(wrong_port.listener.down(0).message,
              HasSubstr("127.0.0.1:1, database \"d\": Connection refused"));
  EXPECT_THAT(wrong_host.listener.down(0).message, HasSubstr("address cannot be found"));
}

TEST_F(ConnectionTest, TheNextServerIsTriedAndNamesAreLookedUp) {
  const std::string port = std::to_string(server().port());
  Client client("host=127.0.0.1,localhost port=1," + port + " user=drover dbname=" + database_);
  ASSERT_TRUE(client.wait_up());
  EXPECT_TRUE(client.run("SELECT 1"));
  EXPECT_TRUE(client.listener.downs.empty());
  Client by_socket(server().conninfo(database_));
  ASSERT_TRUE(by_socket.wait_up());
  EXPECT_TRUE(by_socket.run("SELECT 1"));
}

TEST(ConnectionWithAPassword, LogsInAndShowsItToNobody) {
  TestServer server;
  server.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'sesame'");
  std::ofstream(server.folder() + "/data/pg_hba.conf")
      << "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
  server.restart();
  const std::string at =
      "host=127.0.0.1 port=" + std::to_string(server.port()) + " user=guest dbname=postgres";
  Client right(at + " password=sesame");
  Client wrong(at + " password=samese");
  Client none(at);
  ASSERT_TRUE(right.wait_up());
  EXPECT_TRUE(right.run("SELECT 1"));
  ASSERT_TRUE(wrong.listener.wait([&] { return wrong.listener.downs.size() >= 2; }));
  EXPECT_THAT(wrong.listener.down(0).message,
              HasSubstr(": 28P01: password authentication failed for user \"guest\""));
  EXPECT_THAT(wrong.listener.down(0).message, Not(HasSubstr("samese")));
  ASSERT_TRUE(none.listener.wait([&] { return !none.listener.downs.empty(); }));
  EXPECT_THAT(none.listener.down(0).message, HasSubstr("no password supplied"));
}

// libpq itself prints a warning at each attempt, and says no more than that there is no password.
TEST(ConnectionWithAPassword, SaysWhatIsWrongWithThePasswordFile) {
  TestServer server;
  server.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'sesame'");
  std::ofstream(server.folder() + "/data/pg_hba.conf")
      << "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
  server.restart();
  const std::string file = server.folder() + "/pgpass";
  std::ofstream(file) << "127.0.0.1:*:*:guest:sesame\n";
  const auto at = [&](const std::string& user, const std::string& path) {
    return "host=127.0.0.1 port=" + std::to_string(server.port()) + " user=" + user +
           " dbname=postgres passfile=" + path;
  };
  const auto why = [](const std::string& conninfo) {
    Client client(conninfo);
    EXPECT_TRUE(client.listener.wait([&] { return !client.listener.downs.empty(); }));
    return client.listener.down(0).message;
  };
  ::chmod(file.c_str(), 0644);
  testing::internal::CaptureStderr();
  EXPECT_THAT(why(at("guest", file)),
              AllOf(HasSubstr(file + " has mode 0644"), HasSubstr("chmod 600 " + file)));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("WARNING")));
  EXPECT_THAT(why(at("guest", file + ".not")), HasSubstr(file + ".not cannot be read: No such file"));
  EXPECT_THAT(why(at("guest", server.folder())), HasSubstr(server.folder() + " is no plain file"));
  ::chmod(file.c_str(), 0600);
  EXPECT_THAT(why(at("drover", file)), HasSubstr("no line of " + file));
  Client right(at("guest", file));
  EXPECT_TRUE(right.wait_up());
}

TEST(ConnectionToABrokenServer, IsUnavailableAtOnceAndComesBack) {
  TestServer server;
  Client client(server.tcp_conninfo("postgres"));
  ASSERT_TRUE(client.wait_up());
  for (int round = 0; round < 2; ++round) {
    auto sleeper = client.send("SELECT pg_sleep(20)");
    if (round == 0) {
      server.stop();
    } else {
      server.kill();
    }
    EXPECT_EQ(sleeper.get().error().code, Errc::kUnknownFate);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(client.run("SELECT 1").error().code, Errc::kUnavailable);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
    server.start();
    ASSERT_TRUE(client.wait_up(2 + round));
    EXPECT_TRUE(client.run("SELECT 1"));
  }
}

TEST(ConnectionToABrokenServer, ASilentOneIsGivenUp) {
  TestServer server;
  Client client(server.tcp_conninfo("postgres"), 500ms);
  ASSERT_TRUE(client.wait_up());
  server.freeze();
  const auto before = std::chrono::steady_clock::now();
  const Answer answer = client.run("SELECT 1");
  const auto took = std::chrono::steady_clock::now() - before;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUnknownFate);
  EXPECT_THAT(answer.error().message, HasSubstr("no answer for 500 ms"));
  EXPECT_GE(took, 500ms);
  EXPECT_LT(took, 3s);
  // Connecting to it has an end as well.
  ASSERT_TRUE(client.listener.wait([&] { return client.listener.downs.size() >= 2; }));
  EXPECT_THAT(client.listener.down(1).message, HasSubstr("no answer for 2000 ms"));
  server.thaw();
  ASSERT_TRUE(client.wait_up(2));
  EXPECT_TRUE(client.run("SELECT 1"));
}

}  // namespace
}  // namespace drover::store::postgres
