// Operators' tokens: random secrets that belong to a project and to no user.
#include <algorithm>
#include <utility>

#include "identity/state.h"

namespace drover::identity {
namespace {

constexpr Seconds kLongestLifetime{10LL * 365 * 24 * 3600};

}  // namespace

void Identity::create_token(std::string_view project, std::string policy, Seconds lifetime,
                            Done<NewToken> done) {
  if (lifetime < Seconds{1} || lifetime > kLongestLifetime) return done(failure(Errc::kBadLifetime));
  std::string secret = make_secret();
  const auto digest = state_->sha256(secret);
  if (!digest) return done(failure(std::make_error_code(std::errc::not_supported), "SHA-256"));

  store::Token token;
  token.id = make_token_id();
  token.hash.assign(digest->begin(), digest->end());
  token.policy = std::move(policy);
  token.created_ms = state_->clock.unix_ms();
  token.expires_ms = token.created_ms + Millis(lifetime).count();
  state_->change<NewToken>(
      [token = std::move(token), secret = std::move(secret), digest = *digest,
       project = std::string(project)](const Directory& all) mutable -> Result<State::Change<NewToken>> {
        const Directory::Project* const in = all.project(project);
        if (in == nullptr) return not_found("project", project);
        if (all.rules(token.policy) == nullptr) return not_found("role", token.policy);
        token.project = in->row.seq;
        return State::Change<NewToken>{store::change::AddToken{token},
                                       [token, secret, digest, project](Directory& to) -> Result<NewToken> {
                                         to.add(digest, token);
                                         const auto* const added = to.token(token.id);
                                         if (added == nullptr) return not_found("project", project);
                                         return NewToken{secret, to.view(*added)};
                                       }};
      },
      std::move(done));
}

void Identity::revoke_token(std::string id, Done<> done) {
  state_->change<void>(
      [id = std::move(id)](const Directory& all) -> Result<State::Change<void>> {
        if (all.token(id) == nullptr) return not_found("token", id);
        return State::Change<void>{store::change::RemoveToken{id}, [id](Directory& from) -> Result<> {
                                     from.remove_token(id);
                                     return {};
                                   }};
      },
      std::move(done));
}

std::vector<TokenView> Identity::tokens(std::string_view project) const {
  auto out = state_->read([&](const Directory& all) {
    std::vector<TokenView> views;
    const Directory::Project* const only = all.project(project);
    if (only == nullptr && !project.empty()) return views;
    for (const auto& [digest, token] : all.tokens()) {
      if (only == nullptr || token.row.project == only->row.seq) views.push_back(all.view(token));
    }
    return views;
  });
  std::ranges::sort(out, [](const TokenView& a, const TokenView& b) {
    return a.created_ms != b.created_ms ? a.created_ms > b.created_ms : a.id < b.id;
  });
  return out;
}

}  // namespace drover::identity
