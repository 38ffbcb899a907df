// Makes a database as a server leaves it that was killed in the midst of its work: finished tasks with
// outputs, and unfinished ones whose jobs have ended, begun or not begun. All through the Store interface.
//
//   fill_store DIR [--jobs N] [--open N] [--task N] [--open-task N] [--output BYTES] [--instances N]
//
// DIR is made, with drover.db in it. Of N jobs in all (1,000,000), --open (100,000) belong to unfinished
// tasks: in each of these a fifth of the jobs have ended, two fifths have begun, and two fifths have not.
// --task and --open-task (100) are the jobs of one task; --output (200) is how much a job has said.
// --instances (0): the instances exist, at addresses where nobody listens; otherwise jobs that go on end at
// once, because theirs are not there.
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "store/sqlite/sqlite_store.h"

namespace {

using drover::Id;
using drover::IdMaker;
using drover::Result;
using namespace drover::store;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "fill_store: %s\n", why.c_str());
  std::exit(1);
}

struct Sizes {
  std::int64_t jobs = 1'000'000;
  std::int64_t open = 100'000;
  std::int64_t task = 100;
  std::int64_t open_task = 100;
  std::int64_t output = 200;
  std::int64_t instances = 0;
};

Sizes read_sizes(int argc, char** argv) {
  Sizes sizes;
  const std::map<std::string, std::int64_t*> flags{
      {"--jobs", &sizes.jobs},           {"--open", &sizes.open},     {"--task", &sizes.task},
      {"--open-task", &sizes.open_task}, {"--output", &sizes.output}, {"--instances", &sizes.instances}};
  for (int i = 2; i + 1 < argc; i += 2) {
    const auto flag = flags.find(argv[i]);
    if (flag == flags.end()) give_up(std::string("unknown argument ") + argv[i]);
    *flag->second = std::strtoll(argv[i + 1], nullptr, 10);
  }
  return sizes;
}

class Filler {
 public:
  Filler(Store& store, const Sizes& sizes) : store_(store), sizes_(sizes) {}

  void fill() {
    add_project();
    if (sizes_.instances > 0) add_instances();
    for (std::int64_t made = 0; made < sizes_.jobs - sizes_.open;) {
      const std::int64_t jobs = std::min(sizes_.task, sizes_.jobs - sizes_.open - made);
      add_task(jobs, true);
      made += jobs;
    }
    for (std::int64_t made = 0; made < sizes_.open;) {
      const std::int64_t jobs = std::min(sizes_.open_task, sizes_.open - made);
      add_task(jobs, false);
      made += jobs;
    }
    commit();
  }

 private:
  void add_project() {
    std::promise<void> added;
    store_.add_project({.id = std::string(32, '0'), .name = "default", .created_ms = now_},
                       [&](const Result<Project>& project) {
                         if (!project) give_up(project.error().message);
                         added.set_value();
                       });
    added.get_future().wait();
  }

  void add_instances() {
    std::vector<Instance> instances;
    for (std::int64_t i = 0; i < sizes_.instances; ++i) {
      instances.push_back({.project = 1, .id = name(i), .address = "adb://127.9.9.9:9", .created_ms = now_});
    }
    std::promise<void> added;
    store_.put_instances(std::move(instances), [&](const Result<std::vector<Instance>>& result) {
      if (!result) give_up(result.error().message);
      added.set_value();
    });
    added.get_future().wait();
  }

  static std::string name(std::int64_t phone) {
    char text[32];
    std::snprintf(text, sizeof text, "phone-%05lld", static_cast<long long>(phone));
    return text;
  }

  void add_task(std::int64_t jobs, bool finished) {
    Task task;
    task.seq = ++seq_;
    task.created_ms = now_ - 3'600'000 + seq_ % 1'000;
    task.id = ids_.next(task.created_ms);
    task.project = 1;
    task.command = "dumpsys battery; getprop ro.build.version.release";
    task.start_deadline_s = 86'400;
    task.run_timeout_s = 60;
    for (std::int64_t i = 0; i < jobs; ++i) {
      task.targets.push_back(name((seq_ + i) % std::max<std::int64_t>(sizes_.instances, 10'000)));
      const JobKey key{seq_, static_cast<std::uint32_t>(i)};
      // Of an open task the first jobs have ended, those after them have begun. Tasks of one job: by their
      // number.
      const std::int64_t place = (jobs == 1 ? seq_ : i) % 5;
      if (finished || (place == 0 && jobs > 1)) batch_.ended.push_back({key, outcome(task.created_ms)});
      if (!finished && place <= 2) batch_.begun.push_back({key, task.created_ms});
    }
    if (finished) batch_.finished.push_back({seq_, task.created_ms + 2'000});
    batch_.accepted.push_back(std::move(task));
    rows_ += jobs;
    if (rows_ >= 10'000) commit();
  }

  JobOutcome outcome(std::int64_t at) {
    JobOutcome outcome;
    outcome.state = JobState::kSucceeded;
    outcome.exit_code = 0;
    outcome.begun_ms = at + 500;
    outcome.ended_ms = at + 1'500;
    while (static_cast<std::int64_t>(outcome.out.bytes.size()) < sizes_.output)
      outcome.out.bytes += "  level: " + std::to_string(++words_ % 101) + "\n";
    outcome.out.bytes.resize(static_cast<std::size_t>(sizes_.output));
    outcome.shown = outcome.out.bytes.substr(0, 1'024);
    outcome.output_bytes = outcome.out.bytes.size();
    return outcome;
  }

  void commit() {
    std::promise<void> committed;
    store_.write(std::exchange(batch_, {}), [&](const Result<>& result, const WriteBatch&) {
      if (!result) give_up(result.error().message);
      committed.set_value();
    });
    committed.get_future().wait();
    rows_ = 0;
  }

  Store& store_;
  const Sizes sizes_;
  const std::int64_t now_ = drover::Clock().unix_ms();
  IdMaker ids_;
  std::int64_t seq_ = 0;
  std::uint64_t words_ = 0;
  std::int64_t rows_ = 0;
  WriteBatch batch_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) give_up("usage: fill_store DIR [--jobs N] [--open N] ... (see its source)");
  const std::string folder = argv[1];
  if (::mkdir(folder.c_str(), 0700) != 0) give_up(folder + ": cannot be made");
  prometheus::Registry registry;
  auto store = open_sqlite({folder + "/drover.db"}, registry);
  if (!store) give_up(store.error().message);
  Filler(**store, read_sizes(argc, argv)).fill();
  std::printf("%s\n", folder.c_str());
  std::fflush(stdout);
  std::_Exit(0);  // as if killed: the log stays where it is
}
