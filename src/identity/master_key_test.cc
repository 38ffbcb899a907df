#include "identity/master_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "identity/errc.h"

namespace drover::identity {
namespace {

namespace fs = std::filesystem;

class MasterKeyFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "drover-master-key-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path() const { return folder_ / "master.key"; }

  void put(std::string_view text, unsigned mode = 0600) const {
    std::ofstream(path(), std::ios::binary) << text;
    ASSERT_EQ(::chmod(path().c_str(), mode), 0);
  }

  // What is said of the file, which must never be its content.
  std::string refusal() const {
    const auto key = MasterKey::load_or_make(path());
    if (key) return "taken";
    EXPECT_EQ(key.error().code, Errc::kBadMasterKey);
    EXPECT_NE(key.error().message.find(path()), std::string::npos);
    return key.error().message;
  }

  fs::path folder_;
};

const std::string kDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

TEST_F(MasterKeyFile, IsMadeOnceForItsUserAlone) {
  const auto made = MasterKey::load_or_make(path());
  ASSERT_TRUE(made) << made.error().message;
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(info.st_size, 65);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);

  const std::string sealed = made->seal("secret", "owner");
  const auto again = MasterKey::load_or_make(path());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->unseal(sealed, "owner"), "secret");
}

TEST_F(MasterKeyFile, IsTheSameForAllWhoMakeItAtOnce) {
  std::vector<std::string> sealed(8);
  std::vector<std::thread> threads;
  threads.reserve(sealed.size());
  std::barrier start(8);
  for (std::string& slot : sealed) {
    threads.emplace_back([&, this] {
      start.arrive_and_wait();
      const auto key = MasterKey::load_or_make(path());
      if (key) slot = key->seal("secret", "owner");
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto key = MasterKey::load_or_make(path());
  ASSERT_TRUE(key);
  for (const std::string& text : sealed) EXPECT_EQ(key->unseal(text, "owner"), "secret");
}

TEST_F(MasterKeyFile, MayBeWrittenByHand) {
  for (const std::string& text : {kDigits, kDigits + "\n"}) {
    put(text);
    EXPECT_TRUE(MasterKey::load_or_make(path()));
  }
  put(kDigits, 0400);
  EXPECT_TRUE(MasterKey::load_or_make(path()));
}

TEST_F(MasterKeyFile, IsRefusedIfItIsNoKey) {
  for (const std::string& text :
       {std::string(), std::string("\n"), kDigits.substr(1), kDigits + "0", kDigits + "\n\n", kDigits + " ",
        "g" + kDigits.substr(1), " " + kDigits.substr(1), std::string(100'000, '0')}) {
    put(text);
    const std::string said = refusal();
    EXPECT_NE(said.find("64 hex digits"), std::string::npos) << said;
    EXPECT_EQ(said.find("0405060708"), std::string::npos) << said;
    std::ostringstream left;
    left << std::ifstream(path(), std::ios::binary).rdbuf();
    EXPECT_EQ(left.str(), text);  // nothing is put in its place
  }
}

TEST_F(MasterKeyFile, IsRefusedIfOthersMayReadIt) {
  for (const unsigned mode : {0640u, 0604u, 0620u, 0602u, 0644u, 0666u}) {
    put(kDigits, mode);
    EXPECT_NE(refusal().find("0600"), std::string::npos) << std::oct << mode;
  }
}

TEST_F(MasterKeyFile, IsRefusedIfItBelongsToAnother) {
  put(kDigits);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(::chown(path().c_str(), 12345, 0), 0);
  EXPECT_NE(refusal().find("another user"), std::string::npos);
}

TEST_F(MasterKeyFile, IsAFileInAFolder) {
  fs::create_directory(path());
  EXPECT_NE(refusal().find("regular file"), std::string::npos);
  fs::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_NE(refusal().find("regular file"), std::string::npos);  // without waiting for a writer
  fs::remove(path());
  fs::create_symlink(folder_ / "none" / "key", path());  // what a link points to cannot be made
  EXPECT_NE(refusal(), "taken");
  const auto nowhere = MasterKey::load_or_make(folder_ / "none" / "key");
  EXPECT_EQ(nowhere.error().code, Errc::kBadMasterKey);
}

class Sealed : public MasterKeyFile {
 protected:
  MasterKey key() const {
    put(kDigits);
    auto key = MasterKey::load_or_make(path());
    EXPECT_TRUE(key);
    return *key;
  }
};

TEST_F(Sealed, OpensAsItWas) {
  const MasterKey key = this->key();
  for (const std::string& secret :
       {std::string(), std::string("a"), std::string("\0\xff", 2), std::string(100'000, 'x')}) {
    const std::string sealed = key.seal(secret, "key 7");
    EXPECT_EQ(sealed.size(), secret.size() + MasterKey::kOverhead);
    EXPECT_EQ(key.unseal(sealed, "key 7"), secret);
  }
  EXPECT_EQ(key.unseal(key.seal("a", ""), ""), "a");
}

TEST_F(Sealed, NeverTheSameTwiceAndNeverReadable) {
  const MasterKey key = this->key();
  const std::string sealed = key.seal("a secret that shows", "owner");
  EXPECT_NE(sealed, key.seal("a secret that shows", "owner"));
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
}

TEST_F(Sealed, OpensForItsOwnerAndKeyAlone) {
  const MasterKey key = this->key();
  const std::string sealed = key.seal("secret", "key 7");
  EXPECT_EQ(key.unseal(sealed, "key 8").error().code, Errc::kBadMasterKey);
  EXPECT_EQ(key.unseal(sealed, "").error().code, Errc::kBadMasterKey);
  put("f" + kDigits.substr(1));
  EXPECT_EQ(MasterKey::load_or_make(path())->unseal(sealed, "key 7").error().code, Errc::kBadMasterKey);
}

TEST_F(Sealed, NoBitMayDiffer) {
  const MasterKey key = this->key();
  const std::string sealed = key.seal("secret", "owner");
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(key.unseal(changed, "owner")) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(key.unseal(std::string_view(sealed).substr(0, size), "owner")) << size;
  }
  EXPECT_FALSE(key.unseal(sealed + "x", "owner"));
}

}  // namespace
}  // namespace drover::identity
