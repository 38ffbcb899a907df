#include "identity/session_token.h"

#include <algorithm>

#include "base/base64url.h"

namespace drover::identity {
namespace {

constexpr char kVersion = 1;
constexpr std::string_view kOwner = "session";  // so that no other sealed secret passes for a session
constexpr std::size_t kStatement = 1 + 4 * 8 + 16;
constexpr std::size_t kSealed = kStatement + MasterKey::kOverhead;
static_assert(kSessionTokenSize == kSessionPrefix.size() + base64url_size(kSealed));

void put(std::string& out, std::int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::uint64_t>(number) >> shift);
  }
}

std::int64_t take(std::string_view& from) {
  std::uint64_t number = 0;
  for (const char byte : from.substr(0, 8)) number = number << 8 | static_cast<unsigned char>(byte);
  from.remove_prefix(8);
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::string seal_session(const MasterKey& key, const Session& session) {
  std::string statement(1, kVersion);
  statement.reserve(kStatement);
  for (const std::int64_t number : {session.user, session.project, session.issued_ms, session.expires_ms}) {
    put(statement, number);
  }
  statement.append(session.audit.begin(), session.audit.end());

  return std::string(kSessionPrefix).append(base64url(key.seal(statement, kOwner)));
}

std::optional<Session> open_session(const MasterKey& key, std::string_view token) {
  if (token.size() != kSessionTokenSize || !token.starts_with(kSessionPrefix)) return std::nullopt;
  std::array<char, kSealed> sealed;
  if (!decode_base64url(token.substr(kSessionPrefix.size()), sealed)) return std::nullopt;
  const auto statement = key.unseal({sealed.data(), sealed.size()}, kOwner);
  if (!statement || statement->front() != kVersion) return std::nullopt;

  std::string_view rest = *statement;
  rest.remove_prefix(1);
  Session session;
  session.user = take(rest);
  session.project = take(rest);
  session.issued_ms = take(rest);
  session.expires_ms = take(rest);
  std::ranges::copy(rest, session.audit.begin());
  return session;
}

}  // namespace drover::identity
