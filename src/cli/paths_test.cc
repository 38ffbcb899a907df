#include "cli/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace drover::cli {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
}

TEST(Paths, PrivateFoldersAreMadeWithThoseAboveThem) {
  std::string base = (std::filesystem::temp_directory_path() / "drover-paths-XXXXXX").string();
  ASSERT_NE(::mkdtemp(base.data()), nullptr);
  for (const std::string name : {"/a/b/data", "/a/c/data/", "/d"}) {
    const Result<> made = make_private_dir(base + name);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(mode_of(base + name), 0700U) << name;
    EXPECT_TRUE(make_private_dir(base + name)) << "it may be there";
  }
  EXPECT_EQ(mode_of(base + "/a") & 0700, 0700U);
  EXPECT_FALSE(make_private_dir("/proc/no-such-thing/data"));
  std::filesystem::remove_all(base);
}

}  // namespace
}  // namespace drover::cli
