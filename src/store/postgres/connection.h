// One connection to PostgreSQL, which comes back by itself, with many units under way on it.
//
// libpq in pipeline mode, driven by the loop: nothing waits for the server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/errc.h"
#include "store/postgres/refusal.h"
#include "store/postgres/unit.h"

namespace drover {
class Loop;
}

namespace drover::store::postgres {

// Told what becomes of the connection, on its loop. Any of them may run units, stop the connection or destroy
// it.
class ConnectionEvents {
 public:
  // Connected and set up; units may be run.
  virtual void on_up() {}
  // It broke, after the units under way have had their answer; or an attempt to connect failed. The next
  // attempt is on its way. Code: kUnavailable; the message says where to and why, never the password.
  virtual void on_down(const Error& why) { (void)why; }
  // NOTIFY on a channel that this connection listens to. LISTEN is a unit, to be run at each on_up().
  virtual void on_notice(const std::string& channel, const std::string& payload) {
    (void)channel, (void)payload;
  }

 protected:
  ~ConnectionEvents() = default;
};

// Belongs to one loop: made, used and destroyed on its thread. No callback comes from inside a call but
// stop()'s.
class Connection {
 public:
  struct Options {
    // As libpq reads it: `host=... dbname=...` or postgresql://...; the PG variables, ~/.pgpass and the
    // service file count too. Never printed.
    std::string conninfo;
    std::string application_name;    // what pg_stat_activity shows
    Millis connect_patience{5'000};  // for each host that is tried, until units may be run
    Millis answer_patience{15'000};  // without a byte from the server while a unit is under way
  };

  // Whether libpq can make sense of `conninfo`: std::errc::invalid_argument if not.
  static Result<> check(const std::string& conninfo);

  // `events` may be null, else outlives the connection.
  Connection(Loop& loop, Options options, ConnectionEvents* events);
  ~Connection();  // stops
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect, and does so again 50 ms after a failure, then after twice as long, up to 2 s, with
  // jitter. Once.
  void start();
  // From the next unit on.
  void set_answer_patience(Millis patience);
  // Units under way are answered kClosed, from inside this call; no event follows. Idempotent.
  void stop();

  bool up() const;

  // One Rows for each command of the unit.
  using Done = std::function<void(Result<std::vector<Rows>>)>;

  // Several may be under way; they run one after the other, and are answered in the order of the calls. A
  // unit that fails harms no other. Errors:
  //   kUnavailable  nothing was stored: the connection is not up, or the server refuses for a reason that may
  //                 pass (no resources, shutting down, read-only, a deadlock, a timeout)
  //   kUnknownFate  the connection broke before the answer, or answer_patience passed. The server may have
  //                 stored it, or may still do so, even after a new connection is up: a unit that is sent
  //                 again needs something in it of which the server takes only one
  //   kRejected     nothing was stored: a command is at fault; sqlstate() of refusal.h says how
  //   kClosed       stop() was called; after a unit was sent, its fate is unknown too
  void run(Unit unit, Done done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace drover::store::postgres
