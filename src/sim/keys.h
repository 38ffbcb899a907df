// The keys that a simulated phone lets in, and the signatures that prove them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace drover::sim {

// Immutable.
class AcceptedKeys {
 public:
  virtual ~AcceptedKeys() = default;

  // Whether one of the keys made `signature` over `token`.
  virtual bool verify(std::string_view token, std::string_view signature) const = 0;

  // Reads lines in the form of adb_keys: base64 of a 524-byte structure, a space, a comment. kBadKeys names
  // the line that is not a sound key; also the two numbers that only old phones use must be right.
  static Result<std::unique_ptr<AcceptedKeys>> read(const std::string& path);
  static Result<std::unique_ptr<AcceptedKeys>> parse(std::string_view lines);
};

}  // namespace drover::sim
