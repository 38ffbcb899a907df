// Projects, tokens and instances. The changing half belongs to the writer's thread, the reading half to the
// reader's.
#pragma once

#include <string>
#include <vector>

#include "store/sqlite/database.h"
#include "store/types.h"

namespace drover::store::sqlite {

// A change that is refused (kExists, kNotFound) has changed nothing.
class AdminWrites {
 public:
  static Result<AdminWrites> open(Database& db);

  Result<Project> add_project(Project project);
  Result<> add_token(const Token& token);
  Result<> remove_token(const std::string& id);
  Result<std::vector<Instance>> put_instances(std::vector<Instance> instances);
  Result<> remove_instance(std::int64_t seq);

 private:
  Database* db_ = nullptr;
  Statement add_project_;
  Statement add_token_;
  Statement remove_token_;
  Statement put_instance_;
  Statement remove_instance_;
};

// In the order in which they were made.
Result<std::vector<Project>> read_projects(Database& db);
Result<std::vector<Token>> read_tokens(Database& db);
Result<std::vector<Instance>> read_instances(Database& db);

}  // namespace drover::store::sqlite
