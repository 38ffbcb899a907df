#include "base/durable_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace drover {
namespace {

namespace fs = std::filesystem;

class DurableFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "drover-durable-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "file") const { return folder_ / name; }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static unsigned mode(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(DurableFile, MakesAndReplacesWholeFilesOfTheModeAskedFor) {
  const std::string bytes("a\0\n\xff", 4);
  ASSERT_TRUE(write_durably(path(), bytes, 0600, IfThere::kReplace));
  EXPECT_EQ(read(path()), bytes);
  EXPECT_EQ(mode(path()), 0600u);
  ASSERT_TRUE(write_durably(path(), "", 0644, IfThere::kReplace));
  EXPECT_EQ(read(path()), "");
  EXPECT_EQ(mode(path()), 0644u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(DurableFile, LeavesWhatIsThereIfToldSo) {
  ASSERT_TRUE(write_durably(path(), "first", 0600, IfThere::kFail));
  const auto second = write_durably(path(), "second", 0600, IfThere::kFail);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, std::errc::file_exists);
  EXPECT_NE(second.error().message.find(path()), std::string::npos);
  EXPECT_EQ(read(path()), "first");
  EXPECT_EQ(files(), 1u);
}

TEST_F(DurableFile, OneOfManyWins) {
  constexpr int kThreads = 8;
  std::atomic<int> wins = 0;
  std::string winner;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::string mine(1'000, static_cast<char>('a' + i));
        if (!write_durably(path(), mine, 0600, IfThere::kFail)) return;
        ++wins;
        winner = mine;
      });
    }
  }
  EXPECT_EQ(wins, 1);
  EXPECT_EQ(read(path()), winner);
  EXPECT_EQ(files(), 1u);
}

TEST_F(DurableFile, AFolderThatIsNotThereIsNamed) {
  const auto written = write_durably(path("no/file"), "x", 0600, IfThere::kReplace);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, std::errc::no_such_file_or_directory);
  EXPECT_NE(written.error().message.find(path("no/file")), std::string::npos);
}

// A limit on the size of files fails a write as a full disk does: after its first part.
TEST_F(DurableFile, WithoutRoomNothingChanges) {
  ASSERT_TRUE(write_durably(path(), "old", 0600, IfThere::kReplace));
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1'000, 1'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto written = write_durably(path(), std::string(2'000, 'x'), 0600, IfThere::kReplace);
    ::_exit(!written && written.error().code == std::errc::file_too_large ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read(path()), "old");
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace drover
