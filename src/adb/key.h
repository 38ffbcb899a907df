// RSA keys by which phones know Drover, in the form of the `adb` tool (~/.android/adbkey), so that both can
// share one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adb/errc.h"
#include "base/result.h"

namespace drover::adb {

// One RSA-2048 private key. Immutable, any thread.
class Key {
 public:
  virtual ~Key() = default;
  // The answer to AUTH(TOKEN): PKCS#1 v1.5 over the token, which takes the place of a SHA-1 digest. 256
  // bytes, or empty if OpenSSL fails.
  virtual std::string sign(std::string_view token) const = 0;
  // The line that belongs into a phone's adb_keys: base64, a space, `comment`.
  virtual std::string public_line(std::string_view comment) const = 0;
};

// The keys to try, in order. Immutable, any thread.
class KeyRing {
 public:
  explicit KeyRing(std::vector<std::unique_ptr<Key>> keys) : keys_(std::move(keys)) {}
  const std::vector<std::unique_ptr<Key>>& keys() const { return keys_; }

 private:
  std::vector<std::unique_ptr<Key>> keys_;
};

// Reads the private key at `path`. If there is none, makes one: `path` (mode 0600), whole and durable when
// this returns, or not at all. Makes `path`.pub where that is missing. kBadKey names the file and what is
// wrong with it; a key that others may read is refused.
Result<std::unique_ptr<Key>> load_or_make_key(const std::string& path);

// Reads it and makes nothing: one that is missing is kBadKey too.
Result<std::unique_ptr<Key>> load_key(const std::string& path);

}  // namespace drover::adb
