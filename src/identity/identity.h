// Projects, and the tokens that open them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "identity/errc.h"
#include "store/store.h"

namespace drover::identity {

// Who asks, and what for they may ask.
struct Principal {
  std::int64_t project = 0;
  store::Role role = store::Role::kReadOnly;
  bool koophone_commands_only = false;  // the project's command policy
};

// A token as it is shown: never its secret.
struct TokenView {
  std::string id;
  std::string project;
  store::Role role = store::Role::kReadOnly;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
};

struct NewToken {
  std::string secret;  // shown this once
  TokenView view;
};

// Any thread. Everything is held in memory and stored before it counts; answers of writes come on a store's
// thread, except that what is refused before it reaches the store is told inside the call.
class Identity {
 public:
  template <typename T = void>
  using Done = std::function<void(Result<T>)>;

  // Blocking: reads all from the store, which outlives it.
  static Result<std::unique_ptr<Identity>> load(const Clock& clock, store::Store& store);
  ~Identity();

  // Who holds this secret? Nothing for an unknown or expired one. Touches no disk and takes no exclusive
  // lock.
  std::optional<Principal> authenticate(std::string_view secret) const;
  // As who the server's own user acts in a project, over the Unix socket. Nothing: no such project.
  std::optional<Principal> local(std::string_view project) const;

  // kBadName, or kExists from the store.
  void create_project(std::string name, bool koophone_commands_only, Done<store::Project> done);
  // Oldest first.
  std::vector<store::Project> projects() const;

  // kNotFound: no such project. `lifetime` from 1 s to 10 years.
  void create_token(std::string_view project, store::Role role, Seconds lifetime, Done<NewToken> done);
  // Takes effect with the next request. kNotFound: no such token.
  void revoke_token(std::string id, Done<> done);
  // Of one project, or of all if it is empty; expired ones too, newest first.
  std::vector<TokenView> tokens(std::string_view project) const;

 private:
  struct State;
  Identity(const Clock& clock, store::Store& store);

  const Clock& clock_;
  store::Store& store_;
  std::shared_ptr<State> state_;  // shared with writes that are under way
};

}  // namespace drover::identity
