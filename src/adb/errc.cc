#include "adb/errc.h"

#include <string>

namespace drover::adb {
namespace {

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "adb"; }

  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kUnreachable:
        return "the phone cannot be reached";
      case Errc::kHandshakeTimeout:
        return "the phone accepts connections, but its adbd does not answer";
      case Errc::kUnauthorized:
        return "the phone accepts none of our ADB keys";
      case Errc::kProtocol:
        return "the phone broke the ADB protocol";
      case Errc::kClosed:
        return "the phone closed the connection";
      case Errc::kTimeout:
        return "the phone did not answer in time";
      case Errc::kTlsRequired:
        return "the phone insists on ADB over TLS, which is not supported";
      case Errc::kBadKey:
        return "not a usable ADB key";
    }
    return "unknown ADB failure";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::adb
