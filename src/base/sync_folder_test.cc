#include "base/sync_folder.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

namespace drover {
namespace {

TEST(SyncFolder, SyncsTheFolderThatHoldsTheFile) {
  EXPECT_TRUE(sync_folder_of(std::filesystem::temp_directory_path() / "need-not-be-there"));
  EXPECT_TRUE(sync_folder_of("here"));
}

TEST(SyncFolder, SaysThatThereIsNone) {
  EXPECT_FALSE(sync_folder_of("/no/such/folder/file"));
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace drover
