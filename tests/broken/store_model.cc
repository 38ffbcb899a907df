#include "broken/store_model.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <utility>

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

void show(std::ostream& out, const store::AuditEntry& entry) {
  out << "entry " << entry.seq << ' ' << entry.at_ms << ' ' << entry.subject << ' ' << entry.status << ':';
  for (const std::string& id : entry.instances) out << ' ' << id;
  out << '\n';
}

void show_identities(std::ostream& out, const Model& model) {
  for (const std::string& project : model.projects) out << "project " << project << '\n';
  for (const std::string& token : model.tokens) out << "token " << token << '\n';
  for (const auto& [seq, user] : model.users) {
    out << "user " << seq << ' ' << user.id << ' ' << user.name << ' ' << user.password << ' '
        << user.sessions_from_ms << '\n';
  }
  for (const auto& [user, project, policy] : model.grants)
    out << "grant " << user << ' ' << project << ' ' << policy << '\n';
  for (const auto& [name, text] : model.policies) out << "policy " << name << ' ' << text << '\n';
  for (const auto& [id, user] : model.keys) out << "key " << id << ' ' << user << '\n';
  for (const std::string& session : model.revocations) out << "revoked " << session << '\n';
  for (const auto& [id, instance] : model.instances) {
    out << "instance " << id << ' ' << instance.first;
    for (const auto& [key, value] : instance.second) out << ' ' << key << '=' << value;
    out << '\n';
  }
}

// What a store holds of these, as a model.
Model identities_of(Store& store) {
  Model model;
  const store::IdentityRows rows = store.identity_rows().value();
  for (const store::Project& project : rows.projects) model.projects.insert(project.name);
  for (const store::Token& token : rows.tokens) model.tokens.insert(token.id);
  for (const store::User& user : rows.users) model.users[user.seq] = user;
  model.grants.insert(rows.grants.begin(), rows.grants.end());
  for (const store::Policy& policy : rows.policies) model.policies[policy.name] = policy.text;
  for (const store::AccessKey& key : rows.keys) model.keys[key.id] = key.user;
  for (const store::Revocation& each : rows.revocations) model.revocations.insert(each.session);
  const auto instances = store.instances().value();
  for (const store::Instance& each : instances) model.instances[each.id] = {each.address, *each.labels};
  return model;
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

constexpr std::int64_t kHour = 3'600'000;

store::AuditEntry random_entry(std::mt19937_64& random) {
  // The clock is set back now and then.
  store::AuditEntry entry = store::make_entry("s" + std::to_string(random() % 1'000),
                                              static_cast<std::int64_t>(below(random, 4 * kHour)));
  for (auto left = below(random, 3); left > 0; --left) entry.instances.push_back("p" + std::to_string(left));
  return entry;
}

// Most tasks with an entry of the audit log.
Step accept_step(std::int64_t& next_task, std::mt19937_64& random) {
  WriteBatch batch;
  for (auto left = 1 + below(random, 3); left > 0; --left) {
    batch.accepted.push_back(store::make_task(next_task++, 1 + below(random, 4)));
    if (below(random, 2) == 0) batch.begun.push_back({{batch.accepted.back().seq, 0}, 1});
    if (below(random, 3) == 0) continue;
    batch.audit.push_back(random_entry(random));
    batch.audit.back().task = batch.accepted.back().seq;
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

// What a change of people's is refused with is an answer too, and the model knows which.
Step identity_step(store::IdentityChange change, std::function<void(Model&)> apply) {
  return {[change = std::move(change)](Store& store, Finish finish) {
            store.change_identity(change, [finish = std::move(finish)](Result<> changed) {
              if (!changed && (changed.error().code == store::Errc::kExists ||
                               changed.error().code == store::Errc::kNotFound))
                changed = {};
              finish(std::move(changed));
            });
          },
          std::move(apply)};
}

Step user_step(const std::string& name, std::int64_t project) {
  const store::User user = store::make_user(name);
  const store::Grant grant{0, project, "p"};
  return {[=](Store& store, Finish finish) {
            store.add_user(user, {grant}, [finish = std::move(finish)](const Result<store::User>& added) {
              finish(added || added.error().code == store::Errc::kExists
                         ? Result<>()
                         : Result<>(tl::make_unexpected(added.error())));
            });
          },
          [=](Model& model) {
            const auto same = [&](const auto& each) {
              return each.second.name == user.name || each.second.id == user.id;
            };
            if (std::ranges::any_of(model.users, same)) return;
            const std::int64_t seq = model.next_user++;
            model.users[seq] = user;
            model.users[seq].seq = seq;
            model.grants.insert({seq, project, "p"});
          }};
}

Step instances_step(const std::string& name, std::mt19937_64& random) {
  const std::string address = "adb://127.0.0.1:" + std::to_string(1 + below(random, 60'000));
  std::optional<store::Labels> labels;
  if (below(random, 2) == 0) labels = store::Labels{{"colour", std::to_string(below(random, 9))}};
  return {[=](Store& store, Finish finish) {
            store.put_instances(
                {{.project = 1, .id = name, .address = address, .labels = labels},
                 {.project = 1, .id = name + "b", .address = address}},
                [finish = std::move(finish)](const Result<std::vector<store::Instance>>& put) {
                  finish(put ? Result<>() : Result<>(tl::make_unexpected(put.error())));
                });
          },
          [=](Model& model) {
            model.instances[name].first = address;
            if (labels) model.instances[name].second = *labels;
            model.instances[name + "b"].first = address;
          }};
}

Step audit_step(std::mt19937_64& random) {
  WriteBatch batch;
  for (auto left = 1 + below(random, 3); left > 0; --left) batch.audit.push_back(random_entry(random));
  return {
      [entries = batch.audit](Store& store, Finish finish) { store.add_audit(entries, std::move(finish)); },
      [batch](Model& model) { model.apply(batch); }};
}

Step small_step(std::mt19937_64& random) {
  using namespace store::change;
  const std::string name = "n" + std::to_string(below(random, 8));
  const auto user = static_cast<std::int64_t>(1 + below(random, 6));
  const store::Grant grant{user, static_cast<std::int64_t>(below(random, 3)), "p"};
  switch (below(random, 14)) {
    case 0:
      return identity_step(AddToken{store::make_token(name)},
                           [name](Model& model) { model.tokens.insert(name); });
    case 1:
      return identity_step(RemoveToken{name}, [name](Model& model) { model.tokens.erase(name); });
    case 2:
    case 3:
      return user_step(name, grant.project);
    case 4: {
      store::User changed = store::make_user("of" + std::to_string(user));
      changed.seq = user;
      changed.sessions_from_ms = static_cast<std::int64_t>(below(random, 1'000));
      return identity_step(UpdateUser{changed}, [changed](Model& model) {
        const auto it = model.users.find(changed.seq);
        if (it == model.users.end()) return;
        it->second.name = changed.name;
        it->second.password = changed.password;
        it->second.sessions_from_ms = changed.sessions_from_ms;
      });
    }
    case 5:
      return identity_step(RemoveUser{user}, [user](Model& model) { model.remove_user(user); });
    case 6:
      return identity_step(AddGrant{grant}, [grant](Model& model) {
        if (model.users.contains(grant.user)) model.grants.insert(grant);
      });
    case 7:
      return identity_step(RemoveGrant{grant}, [grant](Model& model) { model.grants.erase(grant); });
    case 8: {
      const std::string text = std::to_string(random());
      return identity_step(PutPolicy{{name, text, 1}}, [=](Model& model) { model.policies[name] = text; });
    }
    case 9:
      return identity_step(RemovePolicy{name}, [name](Model& model) { model.policies.erase(name); });
    case 10:
      return identity_step(AddKey{store::make_key(name, user)}, [=](Model& model) {
        if (model.users.contains(user)) model.keys.try_emplace(name, user);
      });
    case 11:
      return identity_step(RemoveKey{name}, [name](Model& model) { model.keys.erase(name); });
    case 12:
      return identity_step(Revoke{{name, 9}, 1}, [name](Model& model) { model.revocations.insert(name); });
    default:
      return instances_step(name, random);
  }
}

// Of so few tasks, or hours of the audit log, that the store deletes them in one step.
Step retention_step(const Model& model, std::mt19937_64& random) {
  store::Retention retention;
  if (below(random, 2) == 0) {
    retention.audit_before_ms = static_cast<std::int64_t>(below(random, 3)) * kHour;
  } else {
    auto left = below(random, 9);
    for (auto it = model.tasks.begin(); left > 0 && it != model.tasks.end(); ++it) {
      if (it->second.task.finished_ms == 0) continue;
      retention.finished_before_ms = it->second.task.finished_ms + 1;
      --left;
    }
  }
  return {[retention](Store& store, Finish finish) {
            store.delete_old(retention, [finish = std::move(finish)](const Result<std::uint64_t>& deleted) {
              finish(deleted ? Result<>() : Result<>(tl::make_unexpected(deleted.error())));
            });
          },
          [retention](Model& model_) { model_.delete_old(retention); }};
}

}  // namespace

void Model::apply(const WriteBatch& batch) {
  for (const store::Task& task : batch.accepted) {
    TaskRecord& record = tasks[task.seq];
    record.task = task;
    record.outcomes.resize(task.targets.size());
  }
  for (const auto& [job, at_ms] : batch.begun) begun.insert(job.packed());
  for (const auto& [job, outcome, id] : batch.ended) tasks.at(job.task).outcomes.at(job.index) = outcome;
  for (const auto& [task, at_ms, id] : batch.finished) {
    tasks.at(task).task.finished_ms = at_ms;
    begun.erase(begun.lower_bound(JobKey{task, 0}.packed()), begun.lower_bound(JobKey{task + 1, 0}.packed()));
  }
  for (store::AuditEntry entry : batch.audit) {
    if (const std::int64_t task = std::exchange(entry.task, 0); task != 0) {
      entry.subject = tasks.at(task).task.id.hex();
      entry.instances = tasks.at(task).task.targets;
    }
    entry.seq = next_entry++;
    audit[entry.seq] = std::move(entry);
  }
}

void Model::delete_old(const store::Retention& retention) {
  std::erase_if(tasks, [&](const auto& each) {
    const std::int64_t finished = each.second.task.finished_ms;
    return finished != 0 && finished < retention.finished_before_ms;
  });
  std::erase_if(
      audit, [&](const auto& each) { return each.second.at_ms / kHour < retention.audit_before_ms / kHour; });
}

void Model::remove_user(std::int64_t seq) {
  users.erase(seq);
  std::erase_if(grants, [seq](const store::Grant& grant) { return grant.user == seq; });
  std::erase_if(keys, [seq](const auto& key) { return key.second == seq; });
}

std::string Model::text() const {
  std::ostringstream out;
  for (const auto& [seq, record] : tasks) show(out, record);
  for (const std::int64_t job : begun) {
    const JobKey key = JobKey::unpack(job);
    if (!tasks.at(key.task).outcomes.at(key.index)) out << "begun " << key.task << ' ' << key.index << '\n';
  }
  show_identities(out, *this);
  for (const auto& [seq, entry] : audit) show(out, entry);
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
  show_identities(out, identities_of(store));
  const auto entries = store::read_audit(store, {.limit = 1'000'000}).value();
  for (const store::AuditEntry& entry : entries) show(out, entry);
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
  switch (below(random, 10)) {
    case 0:
    case 8:
      return small_step(random);
    case 9:
      return audit_step(random);
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
