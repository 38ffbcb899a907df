#include "identity/errc.h"

#include <string>

namespace drover::identity {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "drover.identity"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kBadName:
        return "a name must be 1 to 64 of A-Z a-z 0-9 _ -";
      case Errc::kBadId:
        return "a project's id must be 32 lower-case hex digits";
      case Errc::kNotFound:
        return "there is no such thing";
      case Errc::kBadLifetime:
        return "a token's lifetime must be 1 s to 10 years";
      case Errc::kBadAuthorization:
        return "the Authorization header is malformed";
      case Errc::kStale:
        return "X-Sdk-Date is more than 15 minutes from the server's time";
      case Errc::kBadSignature:
        return "the signature does not match";
      case Errc::kBadPolicy:
        return "the policy is malformed";
      case Errc::kBadPassword:
        return "a password must have 8 to 256 bytes";
      case Errc::kBadKey:
        return "the access key is malformed";
      case Errc::kBadCredentials:
        return "user, password and project do not go together";
      case Errc::kThrottled:
        return "too many failed logins";
      case Errc::kInUse:
        return "the policy is in use";
      case Errc::kBadMasterKey:
        return "the master key cannot be used";
      case Errc::kBusy:
        return "too many passwords wait to be checked";
    }
    return "unknown identity error";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::identity
