// What a store must hold after a series of steps, to compare with what it does hold.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"

namespace drover::broken {

// Everything in a store that its interface shows, as text. Two are compared as wholes.
class Model {
 public:
  void apply(const store::WriteBatch& batch);
  void delete_old(const store::Retention& retention);
  void remove_user(std::int64_t seq);

  std::string text() const;

  std::map<std::int64_t, store::TaskRecord> tasks;  // outcomes with their output
  std::set<std::int64_t> begun;                     // packed keys
  std::set<std::string> tokens;
  std::map<std::string, std::pair<std::string, store::Labels>> instances;  // id -> address and labels
  std::set<std::string> projects;
  std::map<std::int64_t, store::User> users;
  std::int64_t next_user = 1;
  std::set<store::Grant> grants;
  std::map<std::string, std::string> policies;
  std::map<std::string, std::int64_t> keys;  // id -> user
  std::set<std::string> revocations;
  std::map<std::int64_t, store::AuditEntry> audit;
  std::int64_t next_entry = 1;
};

// The same of a real store.
std::string text_of(store::Store& store);

// What SQLite says of the file, with nothing of Drover's involved: "ok".
std::string integrity(const std::string& path);

// One change: how the store is asked for it, and what it makes of a model.
struct Step {
  std::function<void(store::Store&, std::function<void(Result<>)>)> send;
  std::function<void(Model&)> apply;
};

// A change of a random kind that fits what `model` holds. `next_task` rises.
Step random_step(const Model& model, std::int64_t& next_task, std::mt19937_64& random,
                 std::size_t largest_output);

}  // namespace drover::broken
