#include "fleet/errc.h"

#include <string>

namespace drover::fleet {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "drover.fleet"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kBadAddress:
        return "an address must have the form adb://HOST:PORT, for example adb://192.0.2.7:5555";
      case Errc::kBadId:
        return "an instance id must be 1 to 32 of A-Z a-z 0-9 _ -";
      case Errc::kNotFound:
        return "no such instance in this project";
      case Errc::kBadLabels:
        return "an instance has at most 16 labels, whose keys and values must be 1 to 64 of A-Z a-z 0-9 _ . "
               "-";
    }
    return "unknown fleet error";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::fleet
