#include "cli/errc.h"

#include <cstdio>

#include "cli/terminal.h"

namespace drover::cli {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "cli"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::kUsage:
        return "wrong argument, setting or file";
      case Errc::kUnreachable:
        return "no Drover server answers";
      case Errc::kRefused:
        return "the server refuses";
      case Errc::kMissing:
        return "the server does not have it";
      case Errc::kBusy:
        return "the server cannot at the moment";
    }
    return "unknown error";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

Failure fail(Errc code, std::string message) { return Failure(Error{code, std::move(message)}); }

int show_error(const Error& error) {
  const Terminal terminal = Terminal::of(stderr);
  std::fprintf(stderr, "%s %s\n", terminal.paint(Colour::kRed, "drover:").c_str(),
               printable(error.message).c_str());
  const bool answered =
      error.code == Errc::kRefused || error.code == Errc::kMissing || error.code == Errc::kBusy;
  return answered ? kExitNotAll : kExitUsage;
}

}  // namespace drover::cli
