#include "store/postgres/node_id.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/durable_file.h"
#include "base/id.h"
#include "store/errc.h"

namespace drover::store::postgres {
namespace {

constexpr std::size_t kDigits = 32;

Result<std::string> make(const std::string& path) {
  std::array<char, kDigits / 2> random{};
  fill_random(random.data(), random.size());
  const std::string text = to_hex({random.data(), random.size()});
  if (auto done = write_durably(path, text + "\n", 0600, IfThere::kFail); !done)
    return failure(Errc::kUnavailable, done.error().message);
  return text;
}

Result<std::string> read_or_make(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file && errno == ENOENT) return make(path);
  if (!file) return failure(Errc::kUnavailable, path + ": " + std::generic_category().message(errno));
  std::array<char, kDigits + 1> bytes{};
  const std::size_t size = std::fread(bytes.data(), 1, bytes.size(), file.get());
  const std::string text(bytes.data(), std::min(size, kDigits));
  if (size < kDigits || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    return failure(Errc::kCorrupt,
                   path + " does not hold a node's name: delete it, and the next start makes one");
  return text;
}

}  // namespace

Result<NodeId> NodeId::take(const std::string& path) {
  auto lock = FileLock::take(path + ".lock");
  if (!lock) return tl::make_unexpected(std::move(lock.error()));
  auto text = read_or_make(path);
  if (!text) return tl::make_unexpected(std::move(text.error()));
  NodeId id;
  id.text_ = *std::move(text);
  id.lock_ = *std::move(lock);
  return id;
}

}  // namespace drover::store::postgres
