// Access keys: pairs that sign requests. Their secrets are needed to check a signature, so they are kept,
// sealed.
#include <algorithm>
#include <utility>

#include "base/id.h"
#include "identity/sealed_key.h"
#include "identity/state.h"

namespace drover::identity {
namespace {

constexpr std::size_t kShortestSecret = 8;
constexpr std::size_t kLongestSecret = 128;

Failure bad(std::string_view why) { return failure(Errc::kBadKey, why); }

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// `size` characters of A-Z and 2-7, 5 random bits each, the form in which such keys are known.
std::string random_text(std::size_t size) {
  constexpr std::string_view kCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out(size, '\0');
  fill_random(out.data(), out.size());
  for (char& c : out) c = kCharacters[static_cast<unsigned char>(c) % kCharacters.size()];
  return out;
}

}  // namespace

void Identity::create_key(std::string_view user, std::string id, std::string secret, Done<NewKey> done) {
  if (id.empty() && secret.empty()) {
    id = random_text(20);
    secret = random_text(40);
  }
  if (!is_name(id)) return done(bad("an access key must be 1 to 64 of A-Z a-z 0-9 _ -"));
  if (secret.size() < kShortestSecret || secret.size() > kLongestSecret || !is_visible(secret)) {
    return done(bad("a secret key must be 8 to 128 visible ASCII characters"));
  }
  state_->change<NewKey>(
      [state = state_.get(), user = std::string(user), id = std::move(id), secret = std::move(secret),
       now_ms = state_->clock.unix_ms()](const Directory& all) -> Result<State::Change<NewKey>> {
        const Directory::User* const owner = all.user(user);
        if (owner == nullptr) return not_found("user", user);
        if (all.key(id) != nullptr) return exists("access key", id);
        store::AccessKey key{id, owner->row.seq, {}, now_ms};
        key.sealed = state->key.seal(secret, owner_of(key, owner->row));
        return State::Change<NewKey>{store::change::AddKey{key},
                                     [key, secret, user](Directory& to) -> Result<NewKey> {
                                       to.add(key, std::make_shared<const std::string>(secret));
                                       const auto* const added = to.key(key.id);
                                       if (added == nullptr) return not_found("user", user);
                                       return NewKey{secret, to.view(*added)};
                                     }};
      },
      std::move(done));
}

void Identity::remove_key(std::string id, Done<> done) {
  state_->change<void>(
      [id = std::move(id)](const Directory& all) -> Result<State::Change<void>> {
        if (all.key(id) == nullptr) return not_found("access key", id);
        return State::Change<void>{store::change::RemoveKey{id}, [id](Directory& from) -> Result<> {
                                     from.remove_key(id);
                                     return {};
                                   }};
      },
      std::move(done));
}

std::vector<KeyView> Identity::keys(std::string_view user) const {
  auto out = state_->read([&](const Directory& all) {
    std::vector<KeyView> views;
    const Directory::User* const only = all.user(user);
    if (only == nullptr && !user.empty()) return views;
    for (const auto& [id, key] : all.keys()) {
      if (only == nullptr || key.row.user == only->row.seq) views.push_back(all.view(key));
    }
    return views;
  });
  std::ranges::sort(out, [](const KeyView& a, const KeyView& b) {
    return a.created_ms != b.created_ms ? a.created_ms > b.created_ms : a.id < b.id;
  });
  return out;
}

}  // namespace drover::identity
