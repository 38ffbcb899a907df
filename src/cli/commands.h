// What each command is asked to do, and the functions that do it. They return the exit code of the program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace drover::cli {

class Client;

// Of every command that talks to a server.
struct ClientOptions {
  std::string server;  // https://HOST:PORT; empty: the Unix socket in the data folder
  std::string token;
  std::string ca;  // with https://
  std::string client_certificate;
  std::string client_key;
  std::string project;   // over the socket; empty: default
  std::string data_dir;  // empty: as configured
  std::string config;    // a drover.toml to take the data folder from
  bool json = false;
};
// Flags, then DROVER_SERVER and its like, then the configured data folder.
Result<Client> make_client(const ClientOptions& options);

struct RunOptions {
  ClientOptions client;
  bool all = false;
  std::vector<std::string> instances;
  std::vector<std::string> words;  // of the command; joined by spaces, as adb does
  Seconds run_timeout{60};
  Seconds start_deadline{600};
  bool detach = false;
  bool full = false;
};
int run_command(const RunOptions& options);

struct TaskOptions {
  ClientOptions client;
  std::string id;
  std::uint32_t limit = 20;
  std::string before;
  bool full = false;
};
int list_tasks(const TaskOptions& options);
int show_task(const TaskOptions& options);
int wait_for_task(const TaskOptions& options);
int cancel_task(const TaskOptions& options);

struct InstanceOptions {
  ClientOptions client;
  std::string name;
  std::string address;
  std::vector<std::string> labels;  // as "key=value"
  std::string file;
  std::string state;
  std::vector<std::string> names;
};
int list_instances(const InstanceOptions& options);
int add_instance(const InstanceOptions& options);
int import_instances(const InstanceOptions& options);
int remove_instances(const InstanceOptions& options);

struct ServeOptions {
  std::string config;
  std::map<std::string, std::string> settings;  // flags, by the setting's name
  bool print_config = false;
  bool json = false;
  int ready_fd = -1;
};
int serve(const ServeOptions& options);

// Of the commands that work on a data folder of this machine, without asking its server.
struct LocalOptions {
  std::string data_dir;  // empty: as configured
  std::string config;    // a drover.toml to take the data folder from
  bool json = false;
};

struct BackupOptions {
  LocalOptions local;
  std::string destination;
};
int back_up(const BackupOptions& options);

struct DoctorOptions {
  LocalOptions local;
  std::string store;  // empty: as configured
  bool full = false;
};
int examine(const DoctorOptions& options);

struct SimCommandOptions {
  std::size_t phones = 100;
  std::uint16_t port = 0;
  std::string shell = "android";
  std::string state_dir;
  std::string auth;
  std::string journal;
  std::string control;
  std::vector<std::string> faults;
  std::string print_instances;  // csv or json
  std::string write_instances;  // a file, JSON if it ends in .json
  bool json = false;
};
int simulate(const SimCommandOptions& options);
// Sends `line` to the simulator that listens on the socket `control`.
int tell_simulator(const std::string& control, const std::string& line);

}  // namespace drover::cli
