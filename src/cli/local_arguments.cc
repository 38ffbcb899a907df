#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"

namespace drover::cli {
namespace {

void add_local_options(CLI::App& app, LocalOptions& options) {
  app.add_flag("--json", options.json, "Print JSON, for programs");
  app.add_option("--data-dir", options.data_dir, "Data folder of the server on this machine")
      ->type_name("DIR");
  app.add_option("--config", options.config, "Settings to take the data folder from (DROVER_CONFIG)")
      ->type_name("FILE");
}

}  // namespace

void add_backup(CLI::App& app, Action& action) {
  const auto options = std::make_shared<BackupOptions>();
  CLI::App* const backup = app.add_subcommand("backup", "Copy the data folder, also while the server runs");
  backup->footer(
      "Example:\n"
      "  drover backup /srv/backup/drover-monday\n"
      "  drover serve --data-dir /srv/backup/drover-monday    # a server from that copy\n\n"
      "The copy is a data folder: the database as it was at one moment, the ADB key, and the master\n"
      "key, which opens access keys and sessions: guard it as the folder itself. It is checked, and\n"
      "gets its name when it is whole. Jobs that had not ended at that moment may have\n"
      "run since: a server that starts from the copy ends them as interrupted and runs none again.\n"
      "Exit code: 0 done, 1 it failed, 2 wrong usage, 130 left with Ctrl-C. A failure leaves nothing.");
  backup->add_option("destination", options->destination, "A folder that does not exist, or is empty")
      ->required()
      ->type_name("DEST");
  add_local_options(*backup, options->local);
  backup->callback([options, &action] { action = [options] { return back_up(*options); }; });
}

void add_doctor(CLI::App& app, Action& action) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* const doctor =
      app.add_subcommand("doctor", "Say what is wrong with a data folder, and what to do");
  doctor->footer(
      "Example:\n"
      "  drover doctor\n"
      "  drover doctor --full --data-dir /srv/backup/drover-monday\n"
      "  drover doctor --store 'postgresql://drover@db.example/drover'\n\n"
      "Changes nothing; the server may run meanwhile. It reads the whole database.\n"
      "Exit code: 0 fine, or warnings only; 1 something is wrong; 2 wrong usage.");
  doctor->add_flag("--full", options->full, "Check indexes as well, which takes several times as long");
  doctor
      ->add_option("--store", options->store,
                   "Where tasks are kept, as `drover serve` is told (DROVER_STORE)")
      ->type_name("VALUE");
  add_local_options(*doctor, options->local);
  doctor->callback([options, &action] { action = [options] { return examine(*options); }; });
}

}  // namespace drover::cli
