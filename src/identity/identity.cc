#include "identity/identity.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "identity/password_worker.h"
#include "identity/sealed_key.h"
#include "identity/state.h"

namespace drover::identity {
namespace {

constexpr std::size_t kLongestSecret = 128;  // an operator's has 47 bytes; no more than this is worth hashing

std::optional<Digest> digest_of(const store::Token& token) {
  Digest digest;
  if (token.hash.size() != digest.size()) return std::nullopt;
  std::copy(token.hash.begin(), token.hash.end(), digest.begin());
  return digest;
}

}  // namespace

Identity::Identity(std::shared_ptr<State> state)
    : state_(std::move(state)), worker_(std::make_unique<PasswordWorker>(state_->options.login_threads)) {}

Identity::~Identity() = default;

void Identity::stop() { worker_->stop(); }

Result<std::unique_ptr<Identity>> Identity::load(const Clock& clock, store::Store& store,
                                                 const MasterKey& key, IdentityOptions options) {
  Result<store::IdentityRows> rows = store.identity_rows();
  if (!rows) return Failure(std::move(rows.error()));
  auto state = std::make_shared<State>(clock, store, key, options);
  state->fill(*std::move(rows));
  return std::unique_ptr<Identity>(new Identity(std::move(state)));
}

void Identity::reload(store::IdentityRows rows) {
  state_->write([&](Directory& all) {
    const Directory before = std::exchange(all, Directory());
    all.follow(before);
    state_->fill(std::move(rows));
    all.keep(before);
  });
}

// Says of every row that does not count what it is, and goes on.
void Identity::State::fill(store::IdentityRows rows) {
  for (store::Project& project : rows.projects) directory.add(std::move(project));
  for (store::Policy& policy : rows.policies) {
    Result<Policy> rules = parse_policy(policy.name, policy.text);
    if (!rules) {
      spdlog::error("the policy {} is damaged ({}): whoever holds it may do nothing until it is put anew",
                    policy.name, rules.error().message);
    }
    directory.put(std::move(policy), rules ? std::make_shared<const Policy>(*std::move(rules)) : nullptr);
  }
  for (store::Token& token : rows.tokens) {
    const auto digest = digest_of(token);
    if (!digest) spdlog::error("the token {} is damaged: it opens nothing", token.id);
    if (digest) directory.add(*digest, std::move(token));
  }
  for (store::User& user : rows.users) directory.add(std::move(user), {});
  for (const store::Grant& grant : rows.grants) {
    const Directory::User* const user = directory.user(grant.user);
    if (user == nullptr || (grant.project != 0 && directory.project(grant.project) == nullptr)) continue;
    if (directory.rules(grant.policy) == nullptr) {
      spdlog::error("the user {} holds the role {}, which is not there: nothing is allowed there until it is",
                    user->row.name, grant.policy);
    }
    directory.add(grant);
  }
  for (store::AccessKey& row : rows.keys) add(std::move(row));
  for (const store::Revocation& revocation : rows.revocations) directory.revoke(revocation, clock.unix_ms());
}

void Identity::State::add(store::AccessKey row) {
  const Directory::User* const user = directory.user(row.user);
  if (user == nullptr) return;
  Result<std::string> secret = key.unseal(row.sealed, owner_of(row, user->row));
  if (!secret) {
    spdlog::error("the access key {} does not open with this master key: it signs nothing", row.id);
    return directory.add(std::move(row), nullptr);
  }
  directory.add(std::move(row), std::make_shared<const std::string>(*std::move(secret)));
}

PrincipalPtr Identity::authenticate(std::string_view secret) const {
  if (secret.empty() || secret.size() > kLongestSecret) return nullptr;
  const std::int64_t now_ms = state_->clock.unix_ms();
  if (secret.starts_with(kSessionPrefix)) {
    const auto session = open_session(state_->key, secret);
    if (!session) return nullptr;
    return state_->principal([&](const Directory& all) { return all.claim(*session, now_ms); });
  }
  const auto digest = state_->sha256(secret);
  if (!digest) return nullptr;
  return state_->principal([&](const Directory& all) { return all.claim(*digest, now_ms); });
}

Result<PrincipalPtr> Identity::authenticate(const SignedRequest& request, std::string_view authorization,
                                            std::string_view project) const {
  const Result<Authorization> parsed = parse_authorization(authorization);
  if (!parsed) return Failure(parsed.error());
  std::shared_ptr<const std::string> secret;
  PrincipalPtr who = state_->principal([&](const Directory& all) -> std::optional<Directory::Claim> {
    const Directory::Key* const key = all.signing_key(parsed->access_key);
    secret = key == nullptr ? nullptr : key->secret;
    if (key == nullptr) return std::nullopt;
    return all.claim(*key, project);
  });
  const Result<> verified = verify_signature(
      request, *parsed, secret == nullptr ? state_->nobodys_secret : *secret, state_->clock.unix_ms());
  if (!verified) return Failure(verified.error());
  if (secret == nullptr || who == nullptr) return failure(Errc::kBadSignature);
  return who;
}

Result<> Identity::expect(const SignedRequest& request, std::string_view authorization) const {
  const Result<Authorization> parsed = parse_authorization(authorization);
  if (!parsed) return Failure(parsed.error());
  if (auto good = expect_signature(request, *parsed, state_->clock.unix_ms()); !good) return good;
  const bool known =
      state_->read([&](const Directory& all) { return all.signing_key(parsed->access_key) != nullptr; });
  return known ? Result<>() : failure(Errc::kBadSignature);
}

PrincipalPtr Identity::local(std::string_view project) const {
  return state_->read([&](const Directory& all) {
    if (project.empty()) return all.local();
    const Directory::Project* const found = all.project(project);
    return found == nullptr ? nullptr : found->local;
  });
}

}  // namespace drover::identity
