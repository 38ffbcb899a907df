// What all nodes hold of users and instances: this node reads what others have changed, and knows when all go
// by what it has changed itself.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "store/postgres/connection.h"
#include "store/postgres/peers.h"

namespace drover::store::postgres {

// Belongs to its loop.
class DirectoryFollower {
 public:
  // Both outlive it. `reader` reads one state of the database a unit, and has nothing else to do.
  DirectoryFollower(Peers& peers, Connection& reader) : peers_(peers), reader_(reader) {}

  void start(OnDirectory on_directory) { on_directory_ = std::move(on_directory); }
  void stop();

  // News are asked for; they have come; or they do not come.
  void asking();
  void on_news();
  void no_news();
  // Reads what they say has changed. `was_away`: others may have changed things without waiting for this
  // node.
  void look(bool was_away);
  // It goes by all that the news say.
  bool up_to_date() const;
  // For how long it has known of a change that does not count here yet.
  Millis behind() const;

  // `then` when every node goes by what has been stored until now. For a change of the directory that was
  // asked for when known was `since`.
  void when_known(std::int64_t since, std::function<void()> then);
  void look_at_waiting();

 private:
  struct Waiting {
    std::int64_t since = 0;
    std::int64_t version = 0;  // 0: the next news tell which
    bool asked = false;        // news that were asked for later are on their way
    SteadyTime until;
    std::function<void()> then;
  };

  void read(std::int64_t since);
  void read_again(std::int64_t since);

  Peers& peers_;
  Connection& reader_;
  OnDirectory on_directory_;
  std::int64_t asked_at_ = 0;  // what was known when the last news were asked for
  std::int64_t asking_at_ = 0;
  std::int64_t missed_ = 0;  // a version that did not count here when the news told of it
  SteadyTime missed_since_{};
  bool reading_ = false;
  bool catching_up_ = false;  // others may have changed something while the lease was not trusted
  // What has changed since this version is to be read, also where it counts already; 0: all.
  std::optional<std::int64_t> read_since_;
  std::vector<Waiting> waiting_;
};

}  // namespace drover::store::postgres
