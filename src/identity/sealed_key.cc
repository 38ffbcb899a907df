#include "identity/sealed_key.h"

#include <unordered_map>

namespace drover::identity {

std::string owner_of(const store::AccessKey& key, const store::User& user) {
  return "key " + key.id + " of " + user.id;
}

std::vector<std::string> closed_keys(const store::IdentityRows& rows, const MasterKey& master) {
  std::unordered_map<std::int64_t, const store::User*> users;
  for (const store::User& user : rows.users) users[user.seq] = &user;
  std::vector<std::string> closed;
  for (const store::AccessKey& key : rows.keys) {
    const auto user = users.find(key.user);
    if (user != users.end() && !master.unseal(key.sealed, owner_of(key, *user->second)))
      closed.push_back(key.id);
  }
  return closed;
}

}  // namespace drover::identity
