// The conversation on one connection that is up: units go out, answers come back in the same order.
//
// libpq's pipeline mode without waiting; who owns the connection watches its socket. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/postgres/unit.h"

struct pg_conn;
struct pg_result;

namespace drover::store::postgres {

class Wire {
 public:
  using Answer = Result<std::vector<Rows>>;
  using Done = std::function<void(Answer)>;
  struct Answered {
    Done done;
    Answer answer;
  };

  // Puts `connection`, which is connected and outlives the wire, into pipeline mode. False from send(),
  // flush() or receive() means that it is broken, for the reason that why() gives.
  explicit Wire(pg_conn* connection);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // The unit is answered even if this returns false: by give_up().
  bool send(Unit unit, Done done);
  // Sends what the socket takes; wants_to_write(): not all.
  bool flush();
  bool wants_to_write() const { return wants_to_write_; }
  // Reads what is there. Answers are put at the end of `answered`, notices {channel, payload} of `notices`.
  bool receive(std::deque<Answered>& answered, std::vector<std::pair<std::string, std::string>>& notices);
  bool idle() const { return sent_.empty(); }

  // The connection is not used any more: answers what is under way with `error`, but refusals that the server
  // has pronounced with these.
  void give_up(const Error& error, std::deque<Answered>& answered);
  // What the server or libpq said when the connection broke.
  std::string why() const;

 private:
  // A statement as this connection knows it. Statements whose parameters are of other types are another.
  struct Prepared {
    std::string name;
    std::vector<unsigned> types;
    std::uint64_t last_use = 0;
    std::shared_ptr<const Error> refused;
  };
  using PreparedPtr = std::shared_ptr<Prepared>;

  // What ends with one Sync. `done` is null where nobody waits: parsing or letting go of a statement.
  struct Sent {
    Done done;
    PreparedPtr parses;
    std::vector<PreparedPtr> uses;
    std::vector<Rows> rows;
    std::shared_ptr<const Error> refused;
  };

  static bool fits(const std::vector<unsigned>& types, const Params& params);
  PreparedPtr prepare(const Statement& statement, const Params& params, bool& sent);
  bool forget_oldest();
  bool send_command(const Unit::Command& command, const Prepared* prepared);
  bool send_sync(Sent sent);
  bool on_result(pg_result* owned, std::deque<Answered>& answered);
  void on_sync(std::deque<Answered>& answered);
  void note_fatal(const pg_result* result);

  pg_conn* connection_;
  std::deque<Sent> sent_;
  std::unordered_map<std::string, std::vector<PreparedPtr>> prepared_;  // by the statement's name
  std::size_t prepared_count_ = 0;
  std::uint64_t units_ = 0;
  std::uint64_t names_ = 0;
  std::string fatal_;
  bool wants_to_write_ = false;
};

}  // namespace drover::store::postgres
