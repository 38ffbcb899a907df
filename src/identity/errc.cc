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
        return "a project's name must be 1 to 64 of A-Z a-z 0-9 _ -";
      case Errc::kNotFound:
        return "no such project or token";
      case Errc::kBadLifetime:
        return "a token's lifetime must be 1 s to 10 years";
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
