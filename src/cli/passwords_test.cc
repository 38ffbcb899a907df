#include "cli/passwords.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>

#include "cli/errc.h"
#include "cli/paths.h"

namespace drover::cli {
namespace {

// What is read from a file that holds `text`.
Result<std::string> read(const std::string& text) {
  const std::string path = testing::TempDir() + "drover-secret-" + std::to_string(::getpid());
  EXPECT_TRUE(write_whole_file(path, text));
  Result<std::string> secret = read_secret_file(path);
  std::remove(path.c_str());
  return secret;
}

TEST(SecretFile, IsItsFirstLine) {
  EXPECT_EQ(read("secret").value(), "secret");
  EXPECT_EQ(read("secret\n").value(), "secret");
  EXPECT_EQ(read("secret\r\nother\n").value(), "secret");
  EXPECT_EQ(read(" \xe5\xaf\x86 \n").value(), " \xe5\xaf\x86 ");
}

TEST(SecretFile, IsNeverEmpty) {
  EXPECT_EQ(read("").error().code, Errc::kUsage);
  EXPECT_EQ(read("\nsecret\n").error().code, Errc::kUsage);
  EXPECT_EQ(read_secret_file("/nonexistent/secret").error().code, Errc::kUsage);
}

}  // namespace
}  // namespace drover::cli
