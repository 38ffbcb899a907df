// Projects: the tenants.
#include <utility>

#include "base/id.h"
#include "identity/state.h"

namespace drover::identity {

void Identity::create_project(std::string name, std::string id, bool koophone_commands_only,
                              Done<store::Project> done) {
  if (!is_name(name)) return done(failure(Errc::kBadName));
  if (id.empty()) id = make_id();
  if (!Id::parse(id)) return done(failure(Errc::kBadId));
  store::Project project;
  project.id = std::move(id);
  project.name = std::move(name);
  project.koophone_commands_only = koophone_commands_only;
  project.created_ms = state_->clock.unix_ms();
  state_->turns.take([state = state_, project = std::move(project), done = std::move(done)](Turn turn) {
    const auto is_there = [&](const std::string& key) {
      return state->read([&](const Directory& all) { return all.project(key) != nullptr; });
    };
    if (is_there(project.name)) return done(exists("project", project.name));
    if (is_there(project.id)) return done(exists("project", project.id));
    state->store.add_project(project, [state, done, turn = std::move(turn)](Result<store::Project> stored) {
      if (stored) state->write([&](Directory& all) { all.add(*stored); });
      done(std::move(stored));
    });
  });
}

std::vector<store::Project> Identity::projects() const {
  return state_->read([](const Directory& all) {
    std::vector<store::Project> out;
    out.reserve(all.projects().size());
    for (const auto& [seq, project] : all.projects()) out.push_back(project.row);
    return out;
  });
}

std::optional<store::Project> Identity::project(std::string_view name_or_id) const {
  return state_->read([&](const Directory& all) -> std::optional<store::Project> {
    const Directory::Project* const found = all.project(name_or_id);
    if (found == nullptr) return std::nullopt;
    return found->row;
  });
}

std::string Identity::project_name(std::int64_t seq) const {
  return state_->read([&](const Directory& all) {
    const Directory::Project* const found = all.project(seq);
    return found == nullptr ? std::string() : found->row.name;
  });
}

namespace {

std::vector<store::Project> projects_of_user(const Directory& all, const Directory::User* user) {
  std::vector<store::Project> out;
  if (user == nullptr) return out;
  for (const auto& [seq, project] : all.projects()) {
    if (all.has_role(*user, seq)) out.push_back(project.row);
  }
  return out;
}

}  // namespace

std::vector<store::Project> Identity::projects_of(const Principal& who) const {
  if (who.node_admin) return projects();
  return state_->read([&](const Directory& all) {
    if (who.user != 0) return projects_of_user(all, all.user(who.user));
    std::vector<store::Project> out;
    if (const Directory::Project* const own = all.project(who.project)) out.push_back(own->row);
    return out;
  });
}

std::vector<store::Project> Identity::projects_of(std::string_view user) const {
  return state_->read([&](const Directory& all) { return projects_of_user(all, all.user(user)); });
}

}  // namespace drover::identity
