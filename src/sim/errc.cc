#include "sim/errc.h"

#include <string>

namespace drover::sim {
namespace {

class Category final : public std::error_category {
  const char* name() const noexcept override { return "drover.sim"; }

  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kBadFault:
        return "not a fault of a simulated phone";
      case Errc::kBadRange:
        return "not a range of simulated phones";
      case Errc::kBadCommand:
        return "the simulator does not understand";
      case Errc::kBadKeys:
        return "the file of accepted keys cannot be used";
      case Errc::kListen:
        return "the simulated phones' addresses cannot be listened on";
      case Errc::kTooManyPhones:
        return "too many simulated phones";
      case Errc::kFile:
        return "the simulator cannot open a file";
      case Errc::kControl:
        return "the simulator does not answer on its control socket";
    }
    return "unknown error of the simulator";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::sim
