// What Drover promises of tasks, small enough to be read as a page of its documentation.
//
// The model is told what was asked, what was answered and what is seen afterwards, through any number of
// restarts, and says what cannot be:
//
// accepted: A task that was answered is there from then on, and only its own project sees it. One that was
// refused is never there and never runs. Of one that a crash left without an answer, or that was told that
// nothing is known, either may be true.
//
// forward: A job's state goes from queued to running to an end, and an end never changes. Only a planned stop
// lets a job wait again that was shown to run, if its phone has not taken the command.
//
// once: A job begins at most once, on its instance's phone and before its start deadline; not at all if it
// ended without having begun.
//
// order: On one phone jobs begin in the order in which their tasks were accepted, save those that are lost.
//
// cancelled: When a cancellation is answered, no job of the task can begin any more, and what ran is killed.
//
// clocks: Every job ends, one that runs by its run timeout.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <istream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/store.h"
#include "task/live_task.h"

namespace drover::task {

class Model {
 public:
  // Every phone belongs to one instance for ever, and each instance has two of them to move between.
  static constexpr std::size_t kProjects = 3;
  static constexpr std::size_t kInstances = 3;  // of a project: p0, p1, p2
  static constexpr std::size_t kPhones = kProjects * kInstances * 2;
  static std::size_t phone_of(std::int64_t project, std::size_t instance, std::size_t which) {
    return ((static_cast<std::size_t>(project) - 1) * kInstances + instance) * 2 + which;
  }

  // The clock is never turned further than this at once.
  static constexpr Millis kMaxTurn{20'000};

  enum class Answer { kNone, kAccepted, kRefused };

  struct Request {
    std::int64_t project = 0;
    std::vector<std::string> targets;  // empty: all, until it is known which these were
    std::uint32_t start_deadline_s = 0;
    std::uint32_t run_timeout_s = 0;
    Answer answer = Answer::kNone;
    std::int64_t cancelled_ms = 0;  // when that was answered; 0: it was not
    std::int64_t after = 0;         // the newest task that had been answered when this was asked
    Id id;
    std::int64_t seq = 0;
    std::int64_t created_ms = 0;
    std::vector<store::JobState> states;  // as last seen
    std::vector<store::JobOutcome> ends;  // likewise, of those that have ended
  };

  // Its number. The command has to begin with "echo " and the tag, so that the phones' journal names it.
  std::size_t asked(Request request) {
    request.after = newest_;
    requests_.push_back(std::move(request));
    return requests_.size() - 1;
  }
  static std::string tag(std::size_t number) { return "t" + std::to_string(number) + "."; }

  void accepted(std::size_t number, const store::Task& task) {
    Request& request = requests_[number];
    if (request.answer != Answer::kNone) complain(number, "was answered twice");
    if (task.seq <= request.after) complain(number, "came before one that had been answered");
    if (!request.targets.empty() && task.targets != request.targets) complain(number, "has other targets");
    if (task.project != request.project) complain(number, "is another project's");
    request.answer = Answer::kAccepted;
    request.targets = task.targets;
    request.id = task.id;
    request.seq = task.seq;
    request.created_ms = task.created_ms;
    request.states.assign(task.targets.size(), store::JobState::kQueued);
    request.ends.resize(task.targets.size());
    newest_ = std::max(newest_, task.seq);
  }

  void refused(std::size_t number) { requests_[number].answer = Answer::kRefused; }

  // `waiting`: so many of its jobs were shown as queued when the cancellation was answered.
  void cancelled(std::size_t number, std::int64_t at_ms, std::uint32_t waiting) {
    if (requests_[number].cancelled_ms == 0) requests_[number].cancelled_ms = at_ms;
    if (waiting > 0) complain(number, "was cancelled, and jobs of it still wait");
  }

  // Nothing of the task changes during the call.
  void saw(std::size_t number, const LiveTask& task) {
    Request& request = requests_[number];
    if (task.task().id != request.id || task.task().targets != request.targets)
      return complain(number, "has changed");
    Counts counted;
    counted.jobs = static_cast<std::uint32_t>(request.targets.size());
    task.visit([&](std::size_t job, const JobView& view) { saw_job(number, job, view, counted); });
    const Counts counts = task.counts();
    if (counts.jobs != counted.jobs || counts.running != counted.running ||
        counts.succeeded != counted.succeeded || counts.failed != counted.failed ||
        counts.lost != counted.lost || counts.cancelled != counted.cancelled) {
      complain(number, "has counts that do not add up");
    }
    if (task.finished() && counted.ended() != counted.jobs) complain(number, "finished before its jobs");
  }

  // What the store has of a project, when nothing is being written.
  void listed(std::int64_t project, const std::vector<store::Store::TaskSummary>& list) {
    std::map<std::size_t, const store::Task*> found;
    for (const auto& summary : list) found.emplace(number_in(summary.task.command), &summary.task);
    for (std::size_t number = 0; number < requests_.size(); ++number) {
      const Request& request = requests_[number];
      const auto it = found.find(number);
      const bool there = it != found.end();
      if (request.project != project) {
        if (there) complain(number, "is in another project's list");
      } else if (request.answer == Answer::kAccepted && (!there || it->second->id != request.id)) {
        complain(number, "was accepted and is not there");
      } else if (request.answer == Answer::kRefused && there) {
        complain(number, "was refused and is there");
      }
    }
  }

  // The process has started again, or has nothing left to do: what had no answer is there or never will be.
  void found(const std::vector<store::Task>& stored) {
    std::map<std::size_t, const store::Task*> by_number;
    for (const store::Task& task : stored) by_number.emplace(number_in(task.command), &task);
    for (std::size_t number = 0; number < requests_.size(); ++number) {
      if (requests_[number].answer != Answer::kNone) continue;
      const auto it = by_number.find(number);
      if (it == by_number.end()) {
        refused(number);
      } else {
        accepted(number, *it->second);
      }
    }
  }

  // The phones' own record of what was begun, from the first line on. Everything seen was seen before.
  void journal(std::istream& lines) {
    std::map<std::size_t, std::int64_t> last;                                // by phone
    std::map<std::pair<std::size_t, std::string>, std::int64_t> beginnings;  // by request and instance
    for (std::string line; std::getline(lines, line);) {
      const std::size_t number = number_in(line);
      if (number == kNobodys) continue;
      std::istringstream fields(line);
      std::int64_t at = 0;
      std::size_t phone = 0;
      fields >> at >> phone;
      if (number >= requests_.size() || requests_[number].answer == Answer::kRefused) {
        complain(number, "was begun, and is no accepted task");
        continue;
      }
      const Request& request = requests_[number];
      if (request.answer == Answer::kNone) continue;  // not heard of yet, or not known
      const std::string instance = "p" + std::to_string(phone / 2 % kInstances);
      if (all_answered(request, instance)) {
        if (request.seq < last[phone])
          complain(number, "was begun after a later one on phone " + std::to_string(phone));
        last[phone] = request.seq;
      }
      if (static_cast<std::int64_t>(phone / (2 * kInstances)) + 1 != request.project)
        complain(number, "was begun on another project's phone");
      ++beginnings[{number, instance}];
    }
    for (std::size_t number = 0; number < requests_.size(); ++number) {
      for (std::size_t i = 0; i < kInstances; ++i) {
        const std::string instance = "p" + std::to_string(i);
        count_beginnings(number, instance, beginnings[{number, instance}]);
      }
    }
  }

  // A planned stop has been asked for (and is over).
  void stopping(bool now) { stopping_ = now; }

  const std::vector<Request>& requests() const { return requests_; }
  bool any_unanswered() const {
    return std::ranges::any_of(requests_,
                               [](const Request& request) { return request.answer == Answer::kNone; });
  }
  bool all_ended() const {
    return std::ranges::all_of(requests_, [](const Request& request) {
      return request.answer == Answer::kRefused ||
             (request.answer == Answer::kAccepted && std::ranges::all_of(request.states, store::has_ended));
    });
  }

  // What cannot be, a line each; empty: all is well.
  const std::string& complaints() const { return complaints_; }
  void complain(std::size_t number, std::string_view what) {
    complaints_.append(tag(number)).append(" ").append(what).append("\n");
  }

 private:
  static constexpr std::size_t kNobodys = static_cast<std::size_t>(-1);
  static constexpr std::int64_t kKillMs = 5'000;  // for the phone to say that it killed the command
  // Handling is late by up to a tick of the timers and the time that a machine at work takes.
  static constexpr std::int64_t kLateMs = 2'000;

  static std::size_t number_in(std::string_view command) {
    const std::size_t at = command.find("echo t");
    std::size_t number = 0;
    if (at == std::string_view::npos) return kNobodys;
    const char* from = command.data() + at + 6;
    const auto [end, error] = std::from_chars(from, command.data() + command.size(), number);
    return error == std::errc() && *end == '.' ? number : kNobodys;
  }

  void saw_job(std::size_t number, std::size_t job, const JobView& view, Counts& counted) {
    Request& request = requests_[number];
    store::JobState& before = request.states[job];
    const auto say = [&](std::string_view what) {
      complain(number, "job " + std::to_string(job) + " " + std::string(what) + ": state " +
                           std::to_string(static_cast<int>(before)) + " -> " +
                           std::to_string(static_cast<int>(view.state)));
    };
    if (store::has_ended(view.state) != (view.outcome != nullptr)) return say("has half an end");
    if (view.state < before && !store::has_ended(view.state) && (store::has_ended(before) || !stopping_))
      say("went back");
    if (store::has_ended(before) && view.outcome != nullptr && *view.outcome != request.ends[job])
      say("ended anew");
    if (request.cancelled_ms != 0 && view.state == store::JobState::kQueued) say("waits, though cancelled");
    before = view.state;
    switch (view.state) {
      case store::JobState::kQueued:
        return;
      case store::JobState::kRunning:
        ++counted.running;
        return;
      case store::JobState::kSucceeded:
        ++counted.succeeded;
        break;
      case store::JobState::kFailed:
        ++counted.failed;
        break;
      case store::JobState::kLost:
        ++counted.lost;
        break;
      case store::JobState::kCancelled:
        ++counted.cancelled;
        break;
    }
    const store::JobOutcome& end = *view.outcome;
    request.ends[job] = end;
    if (end.state != view.state) say("has two states");
    if (end.begun_ms > end.ended_ms) say("ended before it began");
    if (end.begun_ms == 0 || end.error == store::JobError::kInterrupted) return;
    const auto ms = [](std::uint32_t seconds) { return std::int64_t{seconds} * 1000; };
    if (request.cancelled_ms != 0 && end.begun_ms > request.cancelled_ms) say("began though cancelled");
    if (request.cancelled_ms != 0 && end.error == store::JobError::kTimeout &&
        end.begun_ms + ms(request.run_timeout_s) > request.cancelled_ms) {
      say("ran on though cancelled");
    }
    if (end.begun_ms > request.created_ms + ms(request.start_deadline_s) + kLateMs)
      say("began after its start deadline");
    if (end.ended_ms > end.begun_ms + ms(request.run_timeout_s) + kKillMs + 2 * kMaxTurn.count() + kLateMs)
      say("ran beyond its run timeout");
  }

  // Whether the phone said how each of the request's jobs on it ended. One that was lost may begin there when
  // Drover has long gone on: a slow phone has yet to read what a broken connection left.
  static bool all_answered(const Request& request, const std::string& instance) {
    for (std::size_t job = 0; job < request.targets.size(); ++job) {
      if (request.targets[job] == instance && request.ends[job].exit_code < 0) return false;
    }
    return true;
  }

  void count_beginnings(std::size_t number, const std::string& instance, std::int64_t begun) {
    const Request& request = requests_[number];
    if (request.answer != Answer::kAccepted) return;
    std::int64_t surely = 0;
    std::int64_t perhaps = 0;
    for (std::size_t job = 0; job < request.targets.size(); ++job) {
      if (request.targets[job] != instance) continue;
      const bool ended = store::has_ended(request.states[job]);
      if (ended && request.ends[job].exit_code >= 0) ++surely;
      if (!ended || request.ends[job].begun_ms != 0) ++perhaps;
    }
    if (begun < surely) complain(number, "ended on " + instance + " what never began there");
    if (begun > perhaps) complain(number, "began too often on " + instance + ": " + std::to_string(begun));
  }

  std::vector<Request> requests_;
  std::int64_t newest_ = 0;
  bool stopping_ = false;
  std::string complaints_;
};

}  // namespace drover::task
