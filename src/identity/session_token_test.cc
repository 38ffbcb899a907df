#include "identity/session_token.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "base/base64url.h"

namespace drover::identity {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// A key that no file outlives.
MasterKey make_key() {
  std::string folder = (fs::temp_directory_path() / "drover-session-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no folder");
  auto key = MasterKey::load_or_make(folder + "/key");
  fs::remove_all(folder);
  return key.value();
}

const Session kSession{7, 3, 1'704'164'645'000, 1'704'251'045'000, {1, 2, 3, 255}};

TEST(SessionToken, SaysWhatWasSealed) {
  const MasterKey key = make_key();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const Session& session : {kSession, Session{}, Session{kMax, kMin, -1, 256, {}}}) {
    const std::string token = seal_session(key, session);
    EXPECT_EQ(token.size(), kSessionTokenSize);
    EXPECT_TRUE(token.starts_with("drs_"));
    EXPECT_EQ(token.find_first_not_of(kAlphabet), std::string::npos) << token;
    EXPECT_EQ(open_session(key, token), session);
  }
}

TEST(SessionToken, IsNeverTheSameTwice) {
  const MasterKey key = make_key();
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) tokens.insert(seal_session(key, kSession));
  EXPECT_EQ(tokens.size(), 100u);
}

TEST(SessionToken, IsOfOneKey) {
  const std::string token = seal_session(make_key(), kSession);
  EXPECT_FALSE(open_session(make_key(), token));
}

// Every other character at every place: the last one too, of whose six bits only four are the token's.
TEST(SessionToken, HasOneSpelling) {
  const MasterKey key = make_key();
  const std::string token = seal_session(key, kSession);
  std::size_t opened = 0;
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string other = token;
      other[i] = static_cast<char>(byte);
      if (open_session(key, other)) {
        EXPECT_EQ(other, token);
        ++opened;
      }
    }
  }
  EXPECT_EQ(opened, token.size());
}

TEST(SessionToken, HasOneLength) {
  const MasterKey key = make_key();
  const std::string token = seal_session(key, kSession);
  for (std::size_t size = 0; size < token.size(); ++size)
    EXPECT_FALSE(open_session(key, token.substr(0, size)));
  for (const std::string& text :
       {token + "=", token + "A", token + " ", " " + token, token + "\n", token.substr(4),
        token.substr(0, 122) + "=", "drs_" + token, std::string(1'000'000, 'A')}) {
    EXPECT_FALSE(open_session(key, text)) << text.substr(0, 200);
  }
}

TEST(SessionToken, OtherSecretsOfTheSameKeyAreNone) {
  const MasterKey key = make_key();
  // Of the same length, and sealed for another purpose.
  const std::string other = key.seal(std::string(49, '\1'), "access key");
  const std::string token = "drs_" + base64url(other);
  ASSERT_EQ(token.size(), kSessionTokenSize);
  EXPECT_FALSE(open_session(key, token));
}

}  // namespace
}  // namespace drover::identity
