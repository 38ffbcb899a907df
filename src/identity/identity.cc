#include "identity/identity.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "identity/secret.h"

namespace drover::identity {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestSecret = 128;  // ours have 47 bytes; no more than this is worth hashing
constexpr Seconds kLongestLifetime{10LL * 365 * 24 * 3600};

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::optional<Digest> digest_of(const store::Token& token) {
  Digest digest;
  if (token.hash.size() != digest.size()) return std::nullopt;
  std::copy(token.hash.begin(), token.hash.end(), digest.begin());
  return digest;
}

}  // namespace

struct Identity::State {
  // What a request needs, in one place.
  struct Held {
    Principal who;
    std::int64_t expires_ms = 0;
    std::int64_t created_ms = 0;
    std::string id;
  };

  void add(store::Project project) {
    by_name[project.name] = project.seq;
    projects[project.seq] = std::move(project);
  }

  void add(const Digest& digest, const store::Token& token) {
    const auto project = projects.find(token.project);
    if (project == projects.end()) return;
    Held held{{token.project, token.role, project->second.koophone_commands_only},
              token.expires_ms,
              token.created_ms,
              token.id};
    by_id[token.id] = digest;
    tokens[digest] = std::move(held);
  }

  TokenView view(const Held& held) const {
    return {held.id, projects.at(held.who.project).name, held.who.role, held.created_ms, held.expires_ms};
  }

  Hasher hash;
  // Held for a look-up by readers, of which several may be inside, and for an insertion by writers.
  mutable std::shared_mutex mutex;
  std::unordered_map<Digest, Held, DigestHash> tokens;
  std::unordered_map<std::string, Digest> by_id;
  std::map<std::int64_t, store::Project> projects;
  std::map<std::string, std::int64_t, std::less<>> by_name;
};

Identity::Identity(const Clock& clock, store::Store& store)
    : clock_(clock), store_(store), state_(std::make_shared<State>()) {}

Identity::~Identity() = default;

Result<std::unique_ptr<Identity>> Identity::load(const Clock& clock, store::Store& store) {
  std::unique_ptr<Identity> identity(new Identity(clock, store));
  Result<std::vector<store::Project>> projects = store.projects();
  if (!projects) return Failure(std::move(projects.error()));
  Result<std::vector<store::Token>> tokens = store.tokens();
  if (!tokens) return Failure(std::move(tokens.error()));

  for (store::Project& project : *projects) identity->state_->add(std::move(project));
  for (const store::Token& token : *tokens) {
    if (const auto digest = digest_of(token)) identity->state_->add(*digest, token);
  }
  return identity;
}

std::optional<Principal> Identity::authenticate(std::string_view secret) const {
  if (secret.empty() || secret.size() > kLongestSecret) return std::nullopt;
  const auto digest = state_->hash(secret);
  if (!digest) return std::nullopt;

  const std::shared_lock lock(state_->mutex);
  const auto it = state_->tokens.find(*digest);
  if (it == state_->tokens.end() || it->second.expires_ms <= clock_.unix_ms()) return std::nullopt;
  return it->second.who;
}

std::optional<Principal> Identity::local(std::string_view project) const {
  const std::shared_lock lock(state_->mutex);
  const auto it = state_->by_name.find(project);
  if (it == state_->by_name.end()) return std::nullopt;
  return Principal{it->second, store::Role::kAdmin, state_->projects.at(it->second).koophone_commands_only};
}

void Identity::create_project(std::string name, bool koophone_commands_only, Done<store::Project> done) {
  if (!is_name(name)) return done(failure(Errc::kBadName));
  store::Project project;
  project.name = std::move(name);
  project.koophone_commands_only = koophone_commands_only;
  project.created_ms = clock_.unix_ms();
  store_.add_project(std::move(project),
                     [state = state_, done = std::move(done)](Result<store::Project> stored) mutable {
                       if (stored) {
                         const std::lock_guard lock(state->mutex);
                         state->add(*stored);
                       }
                       done(std::move(stored));
                     });
}

std::vector<store::Project> Identity::projects() const {
  const std::shared_lock lock(state_->mutex);
  std::vector<store::Project> out;
  out.reserve(state_->projects.size());
  for (const auto& [seq, project] : state_->projects) out.push_back(project);
  return out;
}

void Identity::create_token(std::string_view project, store::Role role, Seconds lifetime,
                            Done<NewToken> done) {
  if (lifetime < Seconds{1} || lifetime > kLongestLifetime) return done(failure(Errc::kBadLifetime));
  const std::optional<Principal> owner = local(project);
  if (!owner) return done(failure(Errc::kNotFound));

  NewToken made;
  made.secret = make_secret();
  const auto digest = state_->hash(made.secret);
  if (!digest) return done(failure(std::make_error_code(std::errc::not_supported), "SHA-256"));

  store::Token token;
  token.id = make_token_id();
  token.hash.assign(digest->begin(), digest->end());
  token.project = owner->project;
  token.role = role;
  token.created_ms = clock_.unix_ms();
  token.expires_ms = token.created_ms + Millis(lifetime).count();
  made.view = {token.id, std::string(project), role, token.created_ms, token.expires_ms};
  store_.add_token(token, [state = state_, digest = *digest, token, made = std::move(made),
                           done = std::move(done)](Result<> stored) mutable {
    if (!stored) return done(Failure(std::move(stored.error())));
    {
      const std::lock_guard lock(state->mutex);
      state->add(digest, token);
    }
    done(std::move(made));
  });
}

void Identity::revoke_token(std::string id, Done<> done) {
  {
    const std::shared_lock lock(state_->mutex);
    if (!state_->by_id.contains(id)) return done(failure(Errc::kNotFound));
  }
  std::string name = id;
  store_.remove_token(std::move(name),
                      [state = state_, id = std::move(id), done = std::move(done)](Result<> removed) mutable {
                        if (removed) {
                          const std::lock_guard lock(state->mutex);
                          if (const auto it = state->by_id.find(id); it != state->by_id.end()) {
                            state->tokens.erase(it->second);
                            state->by_id.erase(it);
                          }
                        }
                        done(std::move(removed));
                      });
}

std::vector<TokenView> Identity::tokens(std::string_view project) const {
  std::vector<TokenView> out;
  {
    const std::shared_lock lock(state_->mutex);
    for (const auto& [digest, held] : state_->tokens) {
      TokenView view = state_->view(held);
      if (project.empty() || view.project == project) out.push_back(std::move(view));
    }
  }
  std::sort(out.begin(), out.end(), [](const TokenView& a, const TokenView& b) {
    return a.created_ms != b.created_ms ? a.created_ms > b.created_ms : a.id < b.id;
  });
  return out;
}

}  // namespace drover::identity
