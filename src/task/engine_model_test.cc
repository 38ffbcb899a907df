// Random operations against the model in testing/model.h: the real engine, fleet, ADB and SQLite, simulated
// phones with faults, a store that stalls and fails, and crashes.
//
//   DROVER_MODEL_SEED=7                         that seed alone
//   DROVER_MODEL_SECONDS=600                    as many seeds as that time allows, from that seed or a new
//   one
//
// A seed fixes the operations, not how threads and phones keep pace with them: one that failed may have to be
// run a few times.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <mutex>
#include <random>
#include <ranges>
#include <thread>

#include "task/testing/engine_probe.h"
#include "task/testing/model.h"
#include "task/testing/restartable_node.h"

namespace drover::task {
namespace {

using Mood = UnrulyStore::Mood;

// A loop that finds more time gone takes a moment to read first (base/loop.cc), and it is a real one.
constexpr Millis kSmallTurn{190};

double setting(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atof(text);
}

// Answers come on other threads; the test takes them one by one.
class Inbox {
 public:
  void put(std::function<void()> answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  void take_all() {
    std::deque<std::function<void()>> answers;
    {
      const std::lock_guard lock(mutex_);
      answers.swap(answers_);
    }
    for (const auto& answer : answers) answer();
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> answers_;
};

// One seed's life of a node.
class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    const std::size_t limits[] = {8, 2'000'000};
    options_.max_queued_jobs = limits[one_of(4) > 0];
    options_.cache_bytes = one_of(2) * 1'000'000;
    options_.output_memory = 64 * 1024;
    options_.max_output = 32 * 1024;
    start();
    for (std::int64_t project = 1; project <= 3; ++project) {
      for (std::size_t i = 0; i < Model::kInstances; ++i) put(project, i, 0);
    }
  }

  // Empty, or what went wrong and after what.
  std::string run(int steps) {
    for (int i = 0; i < steps && model_.complaints().empty(); ++i) step();
    if (model_.complaints().empty()) settle();
    if (model_.complaints().empty()) stop(true);
    if (model_.complaints().empty()) settle();
    if (model_.complaints().empty()) return {};
    std::string told;
    for (const std::string& line : story_) told += "  " + line + "\n";
    return told + model_.complaints();
  }

 private:
  std::uint64_t one_of(std::uint64_t n) { return random_() % n; }
  std::int64_t any_project() { return 1 + static_cast<std::int64_t>(one_of(Model::kProjects)); }
  void note(std::string what) { story_.push_back(std::move(what)); }

  void step() {
    const std::uint64_t what = one_of(100);
    if (what < 30) {
      accept();
    } else if (what < 40) {
      cancel();
    } else if (what < 48) {
      fault();
    } else if (what < 52) {
      heal();
    } else if (what < 60) {
      look();
    } else if (what < 64) {
      look_from_outside();
    } else if (what < 70) {
      put(any_project(), one_of(Model::kInstances), one_of(2));
    } else if (what < 73) {
      remove(any_project(), one_of(Model::kInstances));
    } else if (what < 79) {
      const Mood moods[] = {Mood::kGood, Mood::kGood, Mood::kStuck, Mood::kFailing, Mood::kFlaky};
      set_mood(moods[one_of(5)]);
    } else if (what < 86) {
      turn(Millis(1 + one_of(one_of(3) > 0 ? kSmallTurn.count() : Model::kMaxTurn.count())));
    } else if (what < 96) {
      std::this_thread::sleep_for(Millis(one_of(20)));  // so that something happens meanwhile
    } else if (what < 98) {
      die();
    } else {
      stop(one_of(3) > 0);
    }
    inbox_.take_all();
  }

  void start() {
    node_ = std::make_unique<RestartableNode>(dir_ / "drover.db", clock_, random_(), options_);
    waiting_ = 0;
  }

  void accept() {
    Model::Request request;
    request.project = any_project();
    for (std::uint64_t i = one_of(5); i > 0; --i) {
      const std::uint64_t instance = one_of(Model::kInstances + 1);
      request.targets.push_back(instance == Model::kInstances ? "nobody" : "p" + std::to_string(instance));
    }
    request.start_deadline_s = 1 + static_cast<std::uint32_t>(one_of(30));
    request.run_timeout_s = 1 + static_cast<std::uint32_t>(one_of(10));
    const std::size_t number = model_.asked(request);
    const char* const rest[] = {
        "", "; exit 3", "; sleep 0.02", "; sleep 0.1", "; sleep 600", "; gen 100000", "; gen 2000000"};
    const std::string command = "echo " + Model::tag(number) + rest[one_of(std::size(rest))];
    NewTask task{request.project, command, request.targets, request.start_deadline_s, request.run_timeout_s};
    task.audit.emplace().project = request.project;
    note("accept " + std::to_string(request.project) + ": " + command + " on " +
         std::to_string(request.targets.size()));
    ++waiting_;
    const auto done = [this, number](Result<LiveTaskPtr> answer) {
      inbox_.put([this, number, answer = std::move(answer)] {
        --waiting_;
        if (answer) {
          model_.accepted(number, (*answer)->task());
          note("accepted " + Model::tag(number));
        } else if (answer.error().code == Errc::kNotKnown) {
          note("not known " + Model::tag(number));
        } else {
          if (answer.error().code.category() != make_error_code(Errc::kNotStored).category())
            model_.complain(number, "was refused for a strange reason");
          model_.refused(number);
        }
      });
    };
    if (task.targets.empty()) {
      node_->engine().accept_for_all(std::move(task), done);
    } else {
      node_->engine().accept(std::move(task), done);
    }
  }

  // Any that was answered, the newer the likelier.
  const Model::Request* any_accepted(std::size_t& number) {
    const auto& all = model_.requests();
    if (all.empty()) return nullptr;
    number = all.size() - 1 - one_of(one_of(2) == 0 ? all.size() : std::min<std::size_t>(all.size(), 5));
    return all[number].answer == Model::Answer::kAccepted ? &all[number] : nullptr;
  }

  void cancel() {
    std::size_t number = 0;
    const Model::Request* request = any_accepted(number);
    if (request == nullptr) return;
    note("cancel " + Model::tag(number));
    const std::int64_t project = request->project;
    const Id id = request->id;
    if (one_of(5) == 0) {
      node_->engine().cancel(project % 3 + 1, id, [this, number](Result<> answer) {
        inbox_.put([this, number, answer] {
          if (answer) model_.complain(number, "was cancelled by another project");
        });
      });
      return;
    }
    ++waiting_;
    node_->engine().cancel(project, id, [this, number, project, id](Result<> answer) {
      const LiveTaskPtr task = node_->engine().find_in_memory(project, id);
      const Counts counts = task ? task->counts() : Counts{};
      inbox_.put([this, number, answer, at_ms = clock_.unix_ms(),
                  waiting = counts.jobs - counts.ended() - counts.running] {
        --waiting_;
        if (answer) model_.cancelled(number, at_ms, waiting);
      });
    });
  }

  void put(std::int64_t project, std::size_t instance, std::size_t which) {
    note("put " + std::to_string(project) + " p" + std::to_string(instance));
    store::Instance put;
    put.project = project;
    put.id = "p" + std::to_string(instance);
    put.address = phones_.address(Model::phone_of(project, instance, which));
    ++waiting_;
    node_->fleet().put({put}, [this](const Result<>&) { inbox_.put([this] { --waiting_; }); });
  }

  void remove(std::int64_t project, std::size_t instance) {
    note("remove " + std::to_string(project) + " p" + std::to_string(instance));
    ++waiting_;
    node_->fleet().remove(project, "p" + std::to_string(instance),
                          [this](const Result<>&) { inbox_.put([this] { --waiting_; }); });
  }

  void fault() {
    const char* const faults[] = {
        "hang",   "drop",        "drop:30", "flap:0.2",       "absent",   "silent",
        "slow:5", "reboot:0.05", "no-exit", "garbage-stream", "oversize", "refuse-key",
        "legacy", "refuse-open", "endless", "double-close",   "bad-magic"};
    const std::size_t phone = one_of(Model::kPhones);
    const char* const fault = faults[one_of(std::size(faults))];
    note("phone " + std::to_string(phone) + " " + fault);
    phones_.fault(phone, one_of(5) == 0 ? Model::kPhones : phone, fault);
  }

  void heal() {
    note("phones heal");
    phones_.clear();
  }

  void set_mood(Mood mood) {
    note("store " + std::to_string(static_cast<int>(mood)));
    node_->store().set_mood(mood);
  }

  void turn(Millis by) {
    note("clock " + std::to_string(by.count()) + " ms");
    node_->turn_clock(by);
  }

  // What is in memory, all at one moment.
  void look() {
    inbox_.take_all();
    node_->on_loop([&] {
      for (std::size_t number = 0; number < model_.requests().size(); ++number) {
        const Model::Request& request = model_.requests()[number];
        if (request.answer != Model::Answer::kAccepted) continue;
        if (const LiveTaskPtr task = node_->engine().find_in_memory(request.project, request.id))
          model_.saw(number, *task);
        if (node_->engine().find_in_memory(request.project % 3 + 1, request.id))
          model_.complain(number, "is shown to another project");
      }
    });
  }

  // And those that have left the memory since they were seen last.
  void look_everywhere() {
    look();
    for (std::size_t number = 0; number < model_.requests().size(); ++number) {
      const Model::Request& request = model_.requests()[number];
      if (request.answer != Model::Answer::kAccepted || std::ranges::all_of(request.states, store::has_ended))
        continue;
      const LiveTaskPtr task = find(request.project, request.id);
      if (task && task->finished()) model_.saw(number, *task);
    }
  }

  // One task as a user asks for it, wherever it is, and as another project does; and the phones' journal.
  void look_from_outside() {
    look();
    std::size_t number = 0;
    if (const Model::Request* request = any_accepted(number)) {
      if (const LiveTaskPtr task = find(request->project, request->id)) {
        if (task->finished()) model_.saw(number, *task);
      } else {
        model_.complain(number, "was accepted and is not found");
      }
      if (find(request->project % 3 + 1, request->id)) model_.complain(number, "is found by another project");
    }
    std::ifstream lines = phones_.journal();
    std::ostringstream text;
    text << lines.rdbuf();
    inbox_.take_all();
    std::istringstream read(text.str());
    model_.journal(read);
  }

  LiveTaskPtr find(std::int64_t project, const Id& id) {
    std::promise<LiveTaskPtr> found;
    node_->engine().find(project, id,
                         [&](Result<LiveTaskPtr> answer) { found.set_value(answer ? *answer : nullptr); });
    return found.get_future().get();
  }

  std::vector<store::Store::TaskSummary> list(std::int64_t project) {
    std::promise<Result<std::vector<store::Store::TaskSummary>>> read;
    node_->store().list_tasks(project, 0, 10'000, [&](auto listed) { read.set_value(std::move(listed)); });
    return read.get_future().get().value();
  }

  std::vector<store::AuditEntry> audit(std::int64_t project) {
    std::promise<Result<std::vector<store::AuditEntry>>> read;
    node_->store().read_audit({.project = project, .limit = 10'000},
                              [&](auto entries) { read.set_value(std::move(entries)); });
    return read.get_future().get().value();
  }

  void die() {
    const std::uint64_t stored = one_of(4);
    note("crash, " + std::to_string(stored) + " more stored");
    node_->die(stored);
    restarted();
  }

  // A planned stop: with patience, until what runs has ended.
  void stop(bool patient) {
    note(patient ? "drain and stop" : "stop");
    std::int64_t drained_ms = 0;
    std::atomic<bool> drained{false};
    if (patient) {
      model_.stopping(true);
      node_->engine().drain([&] { drained = true; });
      node_->on_loop([&] { drained_ms = clock_.unix_ms(); });
      accept();
      set_mood(Mood::kGood);
      wait_until([&] { return drained.load(); }, "drained");
      look_everywhere();
      for (std::size_t number = 0; number < model_.requests().size(); ++number) {
        const Model::Request& request = model_.requests()[number];
        if (std::ranges::count(request.states, store::JobState::kRunning) > 0)
          model_.complain(number, "runs though the node has drained");
        for (const store::JobOutcome& end : request.ends) {
          if (end.begun_ms > drained_ms) model_.complain(number, "began after the drain did");
        }
      }
    }
    node_->stop();
    restarted();
    model_.stopping(false);
    if (!patient) return;
    for (const auto& begun : node_->found().begun) {
      for (std::size_t number = 0; number < model_.requests().size(); ++number) {
        if (model_.requests()[number].seq == begun.job.task)
          model_.complain(number, "was interrupted by a planned stop");
      }
    }
  }

  void restarted() {
    inbox_.take_all();
    node_.reset();
    start();
    find_unanswered();
    check_lists();
    look_from_outside();
  }

  // Nothing is being written.
  void find_unanswered() {
    std::vector<store::Task> stored;
    for (std::int64_t project = 1; project <= 3; ++project) {
      for (auto& summary : list(project)) stored.push_back(find(project, summary.task.id)->task());
    }
    model_.found(stored);
  }

  void check_lists() {
    for (std::int64_t project = 1; project <= 3; ++project) {
      const auto tasks = list(project);
      model_.listed(project, tasks);
      // Each task that is there has its entry, and nothing else has.
      const auto entries = audit(project);
      if (!std::ranges::equal(
              entries, tasks | std::views::reverse, [](const store::AuditEntry& entry, const auto& summary) {
                return entry.subject == summary.task.id.hex() && entry.instances.size() == summary.jobs;
              })) {
        model_.complain(0, "or another does not agree with the audit log");
      }
    }
  }

  // Turns the clock on and on, at first slowly enough for healthy phones to do their work.
  void wait_until(const std::function<bool()>& holds, const char* what) {
    const auto until = std::chrono::steady_clock::now() + Seconds(30) * setting("DROVER_PATIENCE", 1);
    for (int i = 0; !holds(); ++i) {
      if (std::chrono::steady_clock::now() > until)
        return model_.complain(0, std::string("waited in vain: ") + what);
      node_->turn_clock(i < 15 ? std::min(Millis(i * i), kSmallTurn) : Model::kMaxTurn / 2);
    }
  }

  // The store works again, the phones perhaps not: every clock runs out.
  void settle() {
    set_mood(Mood::kGood);
    if (one_of(2) == 0) heal();
    wait_until(
        [&] {
          look_everywhere();
          std::string held;
          node_->on_loop([&] { held = EngineProbe::held(node_->engine()); });
          if (waiting_ > 0 || !held.empty()) return false;
          if (model_.any_unanswered()) find_unanswered();
          return model_.all_ended();
        },
        "all jobs ended");
    std::string held;
    node_->on_loop([&] { held = EngineProbe::held(node_->engine()); });
    if (!held.empty()) model_.complain(0, "or another is still held: " + held);
    check_lists();
    look_from_outside();
  }

  std::mt19937_64 random_;
  Model model_;
  Inbox inbox_;
  std::vector<std::string> story_;
  TempDir dir_;
  Phones phones_{Model::kPhones};
  TurnedClock clock_;
  EngineOptions options_;
  int waiting_ = 0;  // for so many answers
  std::unique_ptr<RestartableNode> node_;
};

void live(std::uint64_t seed) {
  std::cout << "seed " << seed << std::endl;
  const std::string wrong = Life(seed).run(120);
  EXPECT_TRUE(wrong.empty()) << "DROVER_MODEL_SEED=" << seed << "\n" << wrong;
}

TEST(EngineModel, KeepsItsPromises) {
  const bool chosen = std::getenv("DROVER_MODEL_SEED") != nullptr;
  const auto seconds = setting("DROVER_MODEL_SECONDS", 0);
  std::uint64_t seed = chosen ? std::strtoull(std::getenv("DROVER_MODEL_SEED"), nullptr, 10)
                              : static_cast<std::uint64_t>(Clock().unix_ms()) % 1'000'000;
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  do {
    live(seed++);
  } while (!HasFailure() && std::chrono::steady_clock::now() < until);
  if (chosen || seconds > 0) return;
  for (std::uint64_t fixed = 1; fixed <= 8 && !HasFailure(); ++fixed) live(fixed);
}

}  // namespace
}  // namespace drover::task
