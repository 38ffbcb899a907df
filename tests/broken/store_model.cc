#include "broken/store_model.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "store/sqlite/store_fixture.h"

namespace drover::broken {
namespace {

using store::JobKey;
using store::JobOutcome;
using store::Store;
using store::TaskRecord;
using store::WriteBatch;

using Finish = std::function<void(Result<>)>;

void show_bytes(std::ostream& out, const std::string& bytes) {
  out << bytes.size() << ':' << std::hash<std::string>()(bytes) << ' ';
}

void show(std::ostream& out, const TaskRecord& record) {
  const store::Task& task = record.task;
  out << "task " << task.seq << ' ' << task.id.hex() << ' ' << task.project << ' ' << task.command << ' '
      << task.created_ms << ' ' << task.finished_ms << ':';
  for (const std::string& target : task.targets) out << ' ' << target;
  out << '\n';
  for (std::size_t i = 0; i < record.outcomes.size(); ++i) {
    if (!record.outcomes[i]) continue;
    const JobOutcome& outcome = *record.outcomes[i];
    out << "  job " << i << ' ' << static_cast<int>(outcome.state) << ' ' << outcome.ended_ms << ' ';
    show_bytes(out, outcome.shown);
    show_bytes(out, outcome.out.bytes);
    out << '\n';
  }
}

std::uint64_t below(std::mt19937_64& random, std::uint64_t limit) { return random() % limit; }

Step batch_step(WriteBatch batch) {
  return {[batch](Store& store, Finish finish) {
            store.write(batch, [finish = std::move(finish)](Result<> result, const WriteBatch&) {
              finish(std::move(result));
            });
          },
          [batch](Model& model) { model.apply(batch); }};
}

Step accept_step(std::int64_t& next_task, std::mt19937_64& random) {
  WriteBatch batch;
  for (auto left = 1 + below(random, 3); left > 0; --left) {
    batch.accepted.push_back(store::make_task(next_task++, 1 + below(random, 4)));
    if (below(random, 2) == 0) batch.begun.push_back({{batch.accepted.back().seq, 0}, 1});
  }
  return batch_step(std::move(batch));
}

// Goes on with some of the open tasks: begins, ends and finishes.
Step work_step(const Model& model, std::mt19937_64& random, std::size_t largest_output) {
  WriteBatch batch;
  for (const auto& [seq, record] : model.tasks) {
    if (record.task.finished_ms != 0 || below(random, 2) == 0) continue;
    bool all_ended = true;
    for (std::uint32_t i = 0; i < record.outcomes.size(); ++i) {
      if (record.outcomes[i]) continue;
      const JobKey job{seq, i};
      if (!model.begun.contains(job.packed())) {
        batch.begun.push_back({job, 1});
        all_ended = false;
      } else if (below(random, 3) != 0) {
        const auto fill = static_cast<char>('a' + below(random, 26));
        batch.ended.push_back({job, store::success(std::string(below(random, largest_output), fill))});
      } else {
        all_ended = false;
      }
    }
    if (all_ended) batch.finished.push_back({seq, 1'000 + seq});
  }
  return batch_step(std::move(batch));
}

Step small_step(std::mt19937_64& random) {
  const std::string name = "n" + std::to_string(below(random, 8));
  switch (below(random, 3)) {
    case 0:
      return {[name](Store& store, Finish finish) {
                store.add_token({.id = name, .hash = std::string(32, 'h'), .project = 1},
                                [finish = std::move(finish)](Result<> added) {
                                  if (!added && added.error().code == store::Errc::kExists) added = {};
                                  finish(std::move(added));
                                });
              },
              [name](Model& model) { model.tokens.insert(name); }};
    case 1:
      return {[name](Store& store, Finish finish) {
                store.remove_token(name, [finish = std::move(finish)](Result<> removed) {
                  if (!removed && removed.error().code == store::Errc::kNotFound) removed = {};
                  finish(std::move(removed));
                });
              },
              [name](Model& model) { model.tokens.erase(name); }};
    default: {
      const std::string address = "adb://127.0.0.1:" + std::to_string(1 + below(random, 60'000));
      return {[name, address](Store& store, Finish finish) {
                store.put_instances(
                    {{.project = 1, .id = name, .address = address},
                     {.project = 1, .id = name + "b", .address = address}},
                    [finish = std::move(finish)](const Result<std::vector<store::Instance>>& put) {
                      finish(put ? Result<>() : Result<>(tl::make_unexpected(put.error())));
                    });
              },
              [name, address](Model& model) {
                model.instances[name] = address;
                model.instances[name + "b"] = address;
              }};
    }
  }
}

// Of so few tasks that the store deletes them in one step.
Step retention_step(const Model& model, std::mt19937_64& random) {
  std::int64_t before = 0;
  auto left = below(random, 9);
  for (auto it = model.tasks.begin(); left > 0 && it != model.tasks.end(); ++it) {
    if (it->second.task.finished_ms == 0) continue;
    before = it->second.task.finished_ms + 1;
    --left;
  }
  return {[before](Store& store, Finish finish) {
            store.delete_old({.finished_before_ms = before},
                             [finish = std::move(finish)](const Result<std::uint64_t>& deleted) {
                               finish(deleted ? Result<>() : Result<>(tl::make_unexpected(deleted.error())));
                             });
          },
          [before](Model& model_) { model_.delete_old(before); }};
}

}  // namespace

void Model::apply(const WriteBatch& batch) {
  for (const store::Task& task : batch.accepted) {
    TaskRecord& record = tasks[task.seq];
    record.task = task;
    record.outcomes.resize(task.targets.size());
  }
  for (const auto& [job, at_ms] : batch.begun) begun.insert(job.packed());
  for (const auto& [job, outcome] : batch.ended) tasks.at(job.task).outcomes.at(job.index) = outcome;
  for (const auto& [task, at_ms] : batch.finished) {
    tasks.at(task).task.finished_ms = at_ms;
    begun.erase(begun.lower_bound(JobKey{task, 0}.packed()), begun.lower_bound(JobKey{task + 1, 0}.packed()));
  }
}

void Model::delete_old(std::int64_t finished_before_ms) {
  std::erase_if(tasks, [=](const auto& entry) {
    const std::int64_t finished = entry.second.task.finished_ms;
    return finished != 0 && finished < finished_before_ms;
  });
}

std::string Model::text() const {
  std::ostringstream out;
  for (const auto& [seq, record] : tasks) show(out, record);
  for (const std::int64_t job : begun) {
    const JobKey key = JobKey::unpack(job);
    if (!tasks.at(key.task).outcomes.at(key.index)) out << "begun " << key.task << ' ' << key.index << '\n';
  }
  for (const std::string& token : tokens) out << "token " << token << '\n';
  for (const auto& [id, address] : instances) out << "instance " << id << ' ' << address << '\n';
  for (const std::string& project : projects) out << "project " << project << '\n';
  return out.str();
}

std::string text_of(Store& store) {
  std::ostringstream out;
  auto tasks = store::list_tasks(store, 1, 0, 1'000'000).value();
  std::ranges::reverse(tasks);
  for (const auto& summary : tasks) {
    TaskRecord record = store::read_task(store, summary.task.id).value().value();
    for (std::size_t i = 0; i < record.outcomes.size(); ++i) {
      if (record.outcomes[i]) record.outcomes[i] = store::read_job(store, record.task.id.job(i)).value();
    }
    show(out, record);
  }
  const auto recovery = store.recover().value();
  for (const auto& [job, at_ms] : recovery.begun) out << "begun " << job.task << ' ' << job.index << '\n';
  const auto tokens = store.tokens().value();
  std::set<std::string> lines;
  for (const store::Token& token : tokens) lines.insert("token " + token.id + "\n");
  for (const std::string& line : lines) out << line;
  lines.clear();
  const auto instances = store.instances().value();
  for (const store::Instance& instance : instances)
    lines.insert("instance " + instance.id + ' ' + instance.address + '\n');
  for (const std::string& line : lines) out << line;
  const auto projects = store.projects().value();
  for (const store::Project& project : projects) out << "project " << project.name << '\n';
  if (!tasks.empty() && recovery.next_task <= tasks.back().task.seq) out << "the next number is used\n";
  return out.str();
}

std::string integrity(const std::string& path) {
  if (!std::filesystem::exists(path)) return "ok";  // asking SQLite would make an empty one
  sqlite3* db = nullptr;
  std::string answer;
  const auto take = [](void* to, int, char** values, char**) {
    *static_cast<std::string*>(to) += values[0];
    return 0;
  };
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK ||
      sqlite3_exec(db, "PRAGMA integrity_check", take, &answer, nullptr) != SQLITE_OK) {
    answer += sqlite3_errmsg(db);
  }
  sqlite3_close(db);
  return answer;
}

Step random_step(const Model& model, std::int64_t& next_task, std::mt19937_64& random,
                 std::size_t largest_output) {
  switch (below(random, 8)) {
    case 0:
      return small_step(random);
    case 1:
      return retention_step(model, random);
    case 2:
    case 3:
    case 4:
      return accept_step(next_task, random);
    default:
      return work_step(model, random, largest_output);
  }
}

}  // namespace drover::broken
