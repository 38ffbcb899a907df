#include "cli/program.h"

int main(int argc, char** argv) { return drover::cli::run_program(argc, argv); }
