#include "identity/master_key.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>

#include "base/descriptor.h"
#include "base/durable_file.h"
#include "identity/errc.h"

namespace drover::identity {
namespace {

constexpr std::size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t kKey = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
static_assert(kNonce + kTag == MasterKey::kOverhead);

Failure bad(const std::string& path, std::string_view why) {
  return failure(Errc::kBadMasterKey, path + ": " + std::string(why));
}

Failure bad(const std::string& path, int error) { return bad(path, std::generic_category().message(error)); }

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Memory that held a key or its digits.
template <std::size_t size>
struct Wiped {
  ~Wiped() { sodium_memzero(data, size); }
  char data[size] = {};
};

// Nothing if only the server's own user and root can get at it; otherwise what is wrong.
std::string_view too_open(const struct stat& file) {
  if (!S_ISREG(file.st_mode)) return "it is no regular file";
  if (file.st_uid != ::geteuid() && file.st_uid != 0) return "it belongs to another user";
  if ((file.st_mode & 077) != 0) return "other users may read or write it: give it mode 0600";
  return {};
}

Result<> make(const std::string& path) {
  Wiped<kKey> key;
  randombytes_buf(key.data, kKey);
  Wiped<2 * kKey + 1> digits;  // the zero byte that sodium_bin2hex ends it with becomes the line feed
  sodium_bin2hex(digits.data, sizeof digits.data, reinterpret_cast<const unsigned char*>(key.data), kKey);
  digits.data[2 * kKey] = '\n';
  return write_durably(path, {digits.data, sizeof digits.data}, 0600, IfThere::kFail);
}

}  // namespace

MasterKey::~MasterKey() { sodium_memzero(key_.data(), key_.size()); }

Result<MasterKey> MasterKey::load(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!file.is_open() || ::fstat(file.get(), &info) != 0) {
    const int error = errno;
    if (error == ENOENT) return failure(std::make_error_code(std::errc::no_such_file_or_directory));
    return bad(path, error);
  }
  if (const std::string_view why = too_open(info); !why.empty()) return bad(path, why);

  Wiped<2 * kKey + 2> digits;
  const ssize_t size = ::read(file.get(), digits.data, sizeof digits.data);
  if (size < 0) return bad(path, errno);
  std::string_view text(digits.data, static_cast<std::size_t>(size));
  if (text.ends_with('\n')) text.remove_suffix(1);
  MasterKey key;
  if (text.size() != 2 * kKey ||
      sodium_hex2bin(key.key_.data(), kKey, text.data(), text.size(), nullptr, nullptr, nullptr) != 0) {
    return bad(path, "it must hold 64 hex digits");
  }
  return key;
}

Result<MasterKey> MasterKey::load_or_make(const std::string& path) {
  if (sodium_init() < 0) return bad(path, "libsodium does not start");
  auto key = load(path);
  if (key || key.error().code != std::errc::no_such_file_or_directory) return key;
  // Somebody else's that is there by now is as good.
  if (const auto made = make(path); !made && made.error().code != std::errc::file_exists) {
    return failure(Errc::kBadMasterKey, made.error().message);
  }
  key = load(path);
  if (!key && key.error().code != Errc::kBadMasterKey) return bad(path, ENOENT);
  return key;
}

std::string MasterKey::seal(std::string_view secret, std::string_view owner) const {
  std::string sealed(kOverhead + secret.size(), '\0');
  randombytes_buf(sealed.data(), kNonce);
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes(sealed) + kNonce, nullptr, bytes(secret), secret.size(),
                                             bytes(owner), owner.size(), nullptr, bytes(sealed), key_.data());
  return sealed;
}

Result<std::string> MasterKey::unseal(std::string_view sealed, std::string_view owner) const {
  const auto refuse = [] {
    return failure(Errc::kBadMasterKey,
                   "a secret was sealed by another key or for another owner, or changed");
  };
  if (sealed.size() < kOverhead) return refuse();
  std::string secret(sealed.size() - kOverhead, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes(secret), nullptr, nullptr, bytes(sealed) + kNonce,
                                                 sealed.size() - kNonce, bytes(owner), owner.size(),
                                                 bytes(sealed), key_.data()) != 0) {
    return refuse();
  }
  return secret;
}

}  // namespace drover::identity
