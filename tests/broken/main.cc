// Drover as the tests break it: the same program, with bugs to order (DROVER_PLANT) and a disk that fails to
// order (DROVER_DISK). It shows that a test would notice, and what Drover does when the machine below it lets
// it down.
#include "broken/disk.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  const auto disk = drover::broken::disk_from_environment();
  return drover::cli::run_program(argc, argv);
}
