#include "store/errc.h"

#include <string>

namespace drover::store {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "store"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::kUnavailable:
        return "the database cannot be read or written now";
      case Errc::kCorrupt:
        return "the database is damaged or none of Drover's";
      case Errc::kTooNew:
        return "the database was written by a later version of Drover";
      case Errc::kLocked:
        return "another process has the database open";
      case Errc::kExists:
        return "the name is taken";
      case Errc::kNotFound:
        return "there is no such thing";
      case Errc::kClosed:
        return "the store was closed";
      case Errc::kUnknownFate:
        return "the connection to the database broke before the answer: it may be stored";
      case Errc::kRejected:
        return "the database refused a command";
      case Errc::kWrongClock:
        return "the clocks do not agree";
      case Errc::kOldNodes:
        return "nodes of an earlier version of Drover use the database";
      case Errc::kFenced:
        return "another node has taken over";
    }
    return "unknown failure";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::store
