// The key that secrets are stored under: whoever has the database alone cannot read them.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"

namespace drover::identity {

// Immutable, any thread. Copies are wiped when they go.
class MasterKey {
 public:
  // Reads the key at `path`, 64 hex digits and perhaps a line feed. If there is no such file, makes one (mode
  // 0600, atomically: of several processes that try at once all get the same key). kBadMasterKey names the
  // file and what is wrong with it; one that another user may read or write is refused. Blocks on the disk.
  static Result<MasterKey> load_or_make(const std::string& path);
  // The same, but makes none: std::errc::no_such_file_or_directory.
  static Result<MasterKey> load(const std::string& path);
  ~MasterKey();
  MasterKey(const MasterKey&) = default;
  MasterKey& operator=(const MasterKey&) = default;

  // Bytes that sealing adds: a random nonce of 24, which is long enough never to come twice, and a tag of 16.
  static constexpr std::size_t kOverhead = 40;

  // Encrypts (XChaCha20-Poly1305). `owner` is whose secret it is: it opens for the same owner only, so that
  // rows of the database cannot be exchanged.
  std::string seal(std::string_view secret, std::string_view owner) const;
  // kBadMasterKey if it was sealed with another key or for another owner, or was changed.
  Result<std::string> unseal(std::string_view sealed, std::string_view owner) const;

 private:
  MasterKey() = default;

  std::array<unsigned char, 32> key_{};
};

}  // namespace drover::identity
