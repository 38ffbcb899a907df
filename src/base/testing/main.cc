// Runs the tests of one program.
#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

int main(int argc, char** argv) {
  // As in the product, the log is there before the threads are. spdlog's library makes it at the first call,
  // behind a guard that the thread sanitizer does not see in there: two threads' first lines would be a race
  // to it.
  (void)spdlog::default_logger();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
