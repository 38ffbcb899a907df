#include "store/sqlite/admin.h"

#include "store/errc.h"

namespace drover::store::sqlite {
namespace {

// Every row of `sql` as `make` reads it.
template <typename T, typename Make>
Result<std::vector<T>> read_all(Database& db, std::string_view sql, Make make) {
  std::vector<T> all;
  auto statement = db.prepare(sql);
  if (!statement) return tl::make_unexpected(std::move(statement.error()));
  while (true) {
    auto row = statement->step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) return all;
    Result<T> one = make(*statement);
    if (!one) return tl::make_unexpected(std::move(one.error()));
    all.push_back(*std::move(one));
  }
}

}  // namespace

Result<AdminWrites> AdminWrites::open(Database& db) {
  AdminWrites self;
  self.db_ = &db;
  // A name that is taken must not fail a statement: that would cost the others in the transaction.
  auto prepared = db.prepare({
      {&self.add_project_,
       "INSERT INTO project(name, koophone_commands_only, created_ms) VALUES(?1, ?2, ?3)"
       " ON CONFLICT DO NOTHING RETURNING seq"},
      {&self.add_token_, "INSERT INTO token VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"},
      {&self.remove_token_, "DELETE FROM token WHERE id = ?1"},
      {&self.put_instance_,
       "INSERT INTO instance(project, id, address, created_ms) VALUES(?1, ?2, ?3, ?4)"
       " ON CONFLICT(project, id) DO UPDATE SET address = excluded.address RETURNING seq, created_ms"},
      {&self.remove_instance_, "DELETE FROM instance WHERE seq = ?1"},
  });
  if (!prepared) return tl::make_unexpected(std::move(prepared.error()));
  return self;
}

Result<Project> AdminWrites::add_project(Project project) {
  add_project_.bind(std::string_view(project.name), project.koophone_commands_only, project.created_ms);
  auto row = add_project_.step();
  if (!row) return tl::make_unexpected(std::move(row.error()));
  if (!*row) return failure(Errc::kExists, "project " + project.name);
  project.seq = add_project_.integer(0);
  add_project_.reset();
  return project;
}

Result<> AdminWrites::add_token(const Token& token) {
  add_token_.bind(std::string_view(token.id), Blob{token.hash}, token.project, static_cast<int>(token.role),
                  token.created_ms, token.expires_ms);
  if (auto done = add_token_.run(); !done) return done;
  if (db_->changes() == 0) return failure(Errc::kExists, "token " + token.id);
  return {};
}

Result<> AdminWrites::remove_token(const std::string& id) {
  if (auto done = remove_token_.bind(std::string_view(id)).run(); !done) return done;
  if (db_->changes() == 0) return failure(Errc::kNotFound, "token " + id);
  return {};
}

Result<std::vector<Instance>> AdminWrites::put_instances(std::vector<Instance> instances) {
  for (Instance& instance : instances) {
    put_instance_.bind(instance.project, std::string_view(instance.id), std::string_view(instance.address),
                       instance.created_ms);
    auto row = put_instance_.step();
    if (!row) return tl::make_unexpected(std::move(row.error()));
    instance.seq = put_instance_.integer(0);
    instance.created_ms = put_instance_.integer(1);
    put_instance_.reset();
  }
  return instances;
}

Result<> AdminWrites::remove_instance(std::int64_t seq) {
  if (auto done = remove_instance_.bind(seq).run(); !done) return done;
  if (db_->changes() == 0) return failure(Errc::kNotFound, "instance number " + std::to_string(seq));
  return {};
}

Result<std::vector<Project>> read_projects(Database& db) {
  return read_all<Project>(db,
                           "SELECT seq, name, koophone_commands_only, created_ms FROM project ORDER BY seq",
                           [](const Statement& row) {
                             return Project{.seq = row.integer(0),
                                            .name = std::string(row.bytes(1)),
                                            .koophone_commands_only = row.integer(2) != 0,
                                            .created_ms = row.integer(3)};
                           });
}

Result<std::vector<Token>> read_tokens(Database& db) {
  return read_all<Token>(
      db, "SELECT id, hash, project, role, created_ms, expires_ms FROM token ORDER BY created_ms, id",
      [](const Statement& row) -> Result<Token> {
        if (row.integer(3) < 0 || row.integer(3) > static_cast<int>(Role::kAdmin))
          return failure(Errc::kCorrupt, "a token's role");
        return Token{.id = std::string(row.bytes(0)),
                     .hash = std::string(row.bytes(1)),
                     .project = row.integer(2),
                     .role = row.integer_as<Role>(3),
                     .created_ms = row.integer(4),
                     .expires_ms = row.integer(5)};
      });
}

Result<std::vector<Instance>> read_instances(Database& db) {
  return read_all<Instance>(db, "SELECT seq, project, id, address, created_ms FROM instance ORDER BY seq",
                            [](const Statement& row) {
                              return Instance{.seq = row.integer(0),
                                              .project = row.integer(1),
                                              .id = std::string(row.bytes(2)),
                                              .address = std::string(row.bytes(3)),
                                              .created_ms = row.integer(4)};
                            });
}

}  // namespace drover::store::sqlite
