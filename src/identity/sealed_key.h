// Access keys as they are stored.
#pragma once

#include <string>
#include <vector>

#include "identity/master_key.h"
#include "store/types.h"

namespace drover::identity {

// Whose secret a key's is, for sealing: that of this key of this user, so that neither an exchanged row nor
// one given to somebody else opens.
std::string owner_of(const store::AccessKey& key, const store::User& user);

// The access keys whose secrets do not open with `master`, among those of users who are there.
std::vector<std::string> closed_keys(const store::IdentityRows& rows, const MasterKey& master);

}  // namespace drover::identity
