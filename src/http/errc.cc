#include "http/errc.h"

#include <string>

namespace drover::http {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kBadOption:
        return "an HTTP server option is out of range";
      case Errc::kBadAddress:
        return "the HTTP server's address is not an IPv4 or IPv6 address";
      case Errc::kListen:
        return "the HTTP server cannot listen";
      case Errc::kSocketPath:
        return "the Unix socket's path is too long, or something else is there";
      case Errc::kSocketInUse:
        return "another process answers on the Unix socket";
      case Errc::kCertificate:
        return "TLS cannot be used";
    }
    return "unknown HTTP error";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::http
