#include "adb/key.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace drover::adb {
namespace {

namespace fs = std::filesystem;

class KeyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "drover-key-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  void write(const std::string& name, const std::string& text, fs::perms mode = fs::perms(0600)) const {
    std::ofstream(path(name)) << text;
    fs::permissions(path(name), mode);
  }

  // A shell command's output; empty if it fails.
  static std::string run(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    return ::pclose(pipe) == 0 ? text : std::string();
  }

  static bool have_adb() { return std::system("command -v adb >/dev/null 2>&1") == 0; }

  static std::string first_word(const std::string& line) { return line.substr(0, line.find(' ')); }

  std::error_code refused(const std::string& name) const {
    const auto key = load_or_make_key(path(name));
    EXPECT_FALSE(key);
    if (key) return {};
    EXPECT_NE(key.error().message.find(path(name)), std::string::npos) << key.error().message;
    return key.error().code;
  }

  fs::path folder_;
};

bool verifies(const std::string& private_path, std::string_view token, const std::string& signature) {
  BIO* bio = BIO_new_file(private_path.c_str(), "r");
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key, nullptr);
  const bool good =
      EVP_PKEY_verify_init(context) == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
      EVP_PKEY_CTX_set_signature_md(context, EVP_sha1()) == 1 &&
      EVP_PKEY_verify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                      reinterpret_cast<const unsigned char*>(token.data()), token.size()) == 1;
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return good;
}

TEST_F(KeyTest, MakesAKeyOnceAndFindsItAgain) {
  const auto made = load_or_make_key(path("adbkey"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(fs::status(path("adbkey")).permissions(), fs::perms(0600));
  EXPECT_EQ(read(path("adbkey")).substr(0, 27), "-----BEGIN PRIVATE KEY-----");
  EXPECT_EQ(first_word(read(path("adbkey.pub"))), first_word((*made)->public_line("x")));
  const auto loaded = load_or_make_key(path("adbkey"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->public_line("me@here"), (*made)->public_line("me@here"));
  EXPECT_EQ((*made)->public_line("me@here").substr(700), " me@here");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "nothing else is left behind";
}

// Its maker was killed between the two files, or there was no room for the second.
TEST_F(KeyTest, MakesThePublicFileWhereItIsMissing) {
  ASSERT_TRUE(load_or_make_key(path("adbkey")));
  const std::string line = read(path("adbkey.pub"));
  fs::remove(path("adbkey.pub"));
  ASSERT_TRUE(load_or_make_key(path("adbkey")));
  EXPECT_EQ(read(path("adbkey.pub")), line);
}

TEST_F(KeyTest, SignsATokenAsADigest) {
  const auto key = load_or_make_key(path("adbkey"));
  ASSERT_TRUE(key);
  const std::string token("0123456789\0abcdefghi", 20);
  const std::string signature = (*key)->sign(token);
  EXPECT_EQ(signature.size(), 256U);
  EXPECT_TRUE(verifies(path("adbkey"), token, signature));
  EXPECT_FALSE(verifies(path("adbkey"), "another token, but 20", signature));
  EXPECT_EQ((*key)->sign("short"), "");
}

TEST_F(KeyTest, AdbReadsOurs) {
  if (!have_adb()) GTEST_SKIP() << "no adb here";
  const auto key = load_or_make_key(path("adbkey"));
  ASSERT_TRUE(key);
  const std::string printed = run("HOME=" + folder_.string() + " adb pubkey " + path("adbkey"));
  ASSERT_FALSE(printed.empty());
  EXPECT_EQ(first_word(printed), first_word((*key)->public_line("x")));
}

TEST_F(KeyTest, WeReadAdbs) {
  if (!have_adb()) GTEST_SKIP() << "no adb here";
  ASSERT_EQ(
      std::system(("HOME=" + folder_.string() + " adb keygen " + path("theirs") + " 2>/dev/null").c_str()),
      0);
  const auto key = load_or_make_key(path("theirs"));
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(first_word(read(path("theirs.pub"))), first_word((*key)->public_line("x")));
  const std::string token(20, 't');
  EXPECT_TRUE(verifies(path("theirs"), token, (*key)->sign(token)));
}

TEST_F(KeyTest, ReadsPkcs1) {
  const auto key = load_or_make_key(path("adbkey"));
  ASSERT_TRUE(key);
  const std::string command =
      "openssl rsa -traditional -in " + path("adbkey") + " -out " + path("old") + " 2>/dev/null";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no openssl tool here";
  fs::permissions(path("old"), fs::perms(0600));
  ASSERT_EQ(read(path("old")).substr(0, 31), "-----BEGIN RSA PRIVATE KEY-----");
  const auto old = load_or_make_key(path("old"));
  ASSERT_TRUE(old) << old.error().message;
  EXPECT_EQ((*old)->public_line("x"), (*key)->public_line("x"));
}

TEST_F(KeyTest, RefusesWhatIsNoAdbKey) {
  const auto pem = [](EVP_PKEY* key, const EVP_CIPHER* cipher) {
    BIO* bio = BIO_new(BIO_s_mem());
    char password[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher == nullptr ? nullptr : password,
                                  cipher == nullptr ? 0 : 6, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    EVP_PKEY_free(key);
    return text;
  };
  write("garbage", "not a key");
  write("empty", "");
  write("short", pem(EVP_RSA_gen(1024), nullptr));
  write("curve", pem(EVP_EC_gen("P-256"), nullptr));
  write("locked", pem(EVP_RSA_gen(2048), EVP_aes_128_cbc()));
  write("huge", std::string(100'000, 'x'));
  fs::create_directory(path("folder"));
  for (const char* name :
       {"garbage", "empty", "short", "curve", "locked", "huge", "folder", "missing/folder"}) {
    EXPECT_EQ(refused(name), Errc::kBadKey) << name;
  }
}

TEST_F(KeyTest, RefusesAKeyThatOthersMayRead) {
  ASSERT_TRUE(load_or_make_key(path("adbkey")));
  fs::permissions(path("adbkey"), fs::perms(0640));
  EXPECT_EQ(refused("adbkey"), Errc::kBadKey);
}

TEST_F(KeyTest, AllWhoMakeItAtOnceGetTheSame) {
  std::vector<std::string> lines(4);
  std::vector<std::thread> threads;
  threads.reserve(lines.size());
  for (std::string& line : lines) {
    threads.emplace_back([&] {
      const auto key = load_or_make_key(path("adbkey"));
      if (key) line = (*key)->public_line("x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(lines[0].empty());
  for (const std::string& line : lines) EXPECT_EQ(line, lines[0]);
}

}  // namespace
}  // namespace drover::adb
