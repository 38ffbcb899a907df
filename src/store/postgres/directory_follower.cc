#include "store/postgres/directory_follower.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "store/errc.h"
#include "store/postgres/directory.h"

namespace drover::store::postgres {
namespace {

// How long a change waits until all nodes go by it: longer than any of them can be alive without.
constexpr Millis kPatience{10'000};

}  // namespace

void DirectoryFollower::stop() {
  for (Waiting& each : std::exchange(waiting_, {})) each.then();
}

void DirectoryFollower::asking() {
  asking_at_ = peers_.known;
  for (Waiting& each : waiting_) each.asked = true;
}

void DirectoryFollower::on_news() {
  asked_at_ = asking_at_;
  if (peers_.known >= missed_) {
    missed_ = peers_.news.directory;
    missed_since_ = peers_.now();
  }
  for (Waiting& each : waiting_)
    if (each.asked && each.version == 0) each.version = peers_.news.directory;
}

void DirectoryFollower::no_news() {
  for (Waiting& each : waiting_) each.asked = each.version != 0;
}

bool DirectoryFollower::up_to_date() const {
  return !reading_ && !read_since_ && peers_.known == peers_.news.directory;
}

Millis DirectoryFollower::behind() const {
  if (peers_.known >= missed_) return Millis::zero();
  return std::chrono::duration_cast<Millis>(peers_.now() - missed_since_);
}

void DirectoryFollower::look(bool was_away) {
  const std::int64_t version = peers_.news.directory;
  const std::int64_t known = peers_.known;
  catching_up_ = catching_up_ || was_away;
  if (reading_) return;
  if (version == known && !read_since_) {
    catching_up_ = false;
    return;
  }
  if (peers_.news.map.alone && peers_.alone && !read_since_ && !catching_up_) {
    peers_.known = version;  // nobody else has changed anything
    return;
  }
  // The database was put back to what it had been.
  if (version < asked_at_) return read(0);
  // These news are older than what was read meanwhile.
  if (version < known) return peers_.pulse();
  read(std::min(known, read_since_.value_or(known)));
}

void DirectoryFollower::read(std::int64_t since) {
  DirectoryQuestion question{.since = since, .as_of = peers_.news.directory};
  question.identities = since == 0 || peers_.news.identities > since;
  question.instances = since == 0 || peers_.news.instances > since;
  read_since_.reset();
  if (!question.identities && !question.instances) {
    peers_.known = question.as_of;
    return peers_.pulse();  // others may wait for that
  }
  reading_ = true;
  reader_.run(ask(question), [this, question](const Result<std::vector<Rows>>& rows) {
    if (peers_.over || peers_.events == nullptr) return;
    auto answer = rows ? answer_of(question, *rows) : failure(Errc::kUnavailable);
    // The database may have been put back since the question was made.
    if (!answer || answer->gap || answer->version < question.as_of) {
      reading_ = false;
      read_again(answer ? 0 : question.since);
      if (answer && answer->gap) peers_.pulse();
      if (rows && !answer) spdlog::error("instances: {}", answer.error().message);
      return;
    }
    on_directory_(std::move(answer->change), [this, version = answer->version] {
      peers_.loop.post([this, version] {
        reading_ = false;
        peers_.known = version;
        // News on their way are no older than this if the database was put back.
        asking_at_ = std::min(asking_at_, version);
        peers_.pulse();
      });
    });
  });
}

void DirectoryFollower::read_again(std::int64_t since) {
  read_since_ = std::min(since, read_since_.value_or(since));
}

void DirectoryFollower::when_known(std::int64_t since, std::function<void()> then) {
  if (peers_.over || peers_.events == nullptr || (peers_.alone && peers_.news.map.alone)) return then();
  waiting_.push_back({since, 0, false, peers_.now() + kPatience, std::move(then)});
  peers_.pulse();
}

void DirectoryFollower::look_at_waiting() {
  if (waiting_.empty()) return;
  std::int64_t everybody = peers_.known;
  std::int64_t since = peers_.known;
  for (const OtherNode* node : peers_.serving()) everybody = std::min(everybody, node->seen);
  const SteadyTime now = peers_.now();
  std::vector<std::function<void()>> ready;
  std::erase_if(waiting_, [&](Waiting& each) {
    const bool known = each.version != 0 && each.version <= everybody;
    if (!known && now < each.until) return false;
    since = std::min(since, each.since);
    ready.push_back(std::move(each.then));
    return true;
  });
  if (ready.empty()) return;
  for (const auto& then : ready) then();
  // What they make of it in memory may be older than what was read meanwhile.
  if (peers_.alone) return;
  read_again(since);
  peers_.pulse();
}

}  // namespace drover::store::postgres
