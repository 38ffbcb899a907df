// What a store must hold after a series of steps, to compare with what it does hold.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "store/store.h"

namespace drover::broken {

// Everything in a store that its interface shows, as text. Two are compared as wholes.
class Model {
 public:
  void apply(const store::WriteBatch& batch);
  void delete_old(std::int64_t finished_before_ms);

  std::string text() const;

  std::map<std::int64_t, store::TaskRecord> tasks;  // outcomes with their output
  std::set<std::int64_t> begun;                     // packed keys
  std::set<std::string> tokens;
  std::map<std::string, std::string> instances;  // id -> address
  std::set<std::string> projects;
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
