// The settings of `drover serve`: drover.toml, then the environment, then flags; what comes later wins.
//
// One table (config.cc) holds every key with its default, range and help. Its name in the file is
// `http.port`, in the environment DROVER_HTTP_PORT, as a flag --http-port.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace drover::cli {

// Numbers are checked against the table's range when read.
struct Config {
  std::string data_dir;  // never empty after load_config
  // "sqlite": a file in data_dir. Else the address of a PostgreSQL database, postgresql://...
  std::string store = "sqlite";

  struct Http {
    std::string address = "127.0.0.1";
    std::int64_t port = 8580;
    std::string tls_certificate;  // this and the key: both or none
    std::string tls_key;
    std::string tls_client_ca;
    bool allow_plaintext = false;
    std::int64_t threads = 1;
    bool access_log = true;
    std::int64_t max_connections = 0;  // 0: 10,000, at most a quarter of the descriptors
    std::int64_t memory = std::int64_t{512} << 20;

    bool tls() const { return !tls_certificate.empty(); }
  } http;

  struct Adb {
    std::string key;  // never empty after load_config: adbkey in data_dir, unless set
  } adb;

  struct Jobs {
    std::int64_t max_output = std::int64_t{1} << 20;
    std::int64_t output_memory = std::int64_t{512} << 20;
    std::int64_t max_queued = 2'000'000;
    std::int64_t max_queued_per_project = 1'000'000;
    std::int64_t queue_memory = std::int64_t{1} << 30;
    std::int64_t cache_bytes = std::int64_t{256} << 20;
  } jobs;

  struct Retention {
    std::int64_t days = 30;
    std::int64_t jobs = 10'000'000;
    std::int64_t audit_days = 180;
  } retention;

  struct Limits {
    std::int64_t project_rate = 10'000;
    std::int64_t user_rate = 5'000;
  } limits;

  struct Auth {
    std::string admin_password_file;  // empty: the first administrator's password is made and shown
    std::int64_t session_lifetime_s = 86'400;
  } auth;

  std::int64_t drain_timeout_s = 60;

  struct Log {
    std::string level = "info";
    std::string format = "text";
  } log;

  bool on_postgres() const { return store != "sqlite"; }
  // Where tasks are kept, for people: without a password that stands in the address.
  std::string shown_store() const;
  std::string master_key() const { return data_dir + "/masterkey"; }
  std::string database() const { return data_dir + "/drover.db"; }
  std::string socket() const { return data_dir + "/drover.sock"; }
};

struct ConfigKey {
  std::string name;  // http.port
  std::string flag;  // --http-port
  std::string env;   // DROVER_HTTP_PORT
  std::string help;  // one line, with unit and range
};
std::vector<ConfigKey> config_keys();

// Where settings come from.
struct ConfigSources {
  std::string file;                          // must be there if not empty
  std::string default_file;                  // read if it is there and `file` is empty
  std::vector<std::string> env;              // "NAME=value", all of the environment
  std::map<std::string, std::string> flags;  // by the key's name
  std::string default_data_dir;
};

struct LoadedConfig {
  Config config;
  std::map<std::string, std::string>
      origins;                        // "http.port" -> "drover.toml:3"; keys at their default are left out
  std::vector<std::string> warnings;  // DROVER_ variables that mean nothing, and what is not safe
};

// kUsage names every wrong key and value, a line each: where it stands, what it is, which rule it breaks.
Result<LoadedConfig> load_config(const ConfigSources& sources);

// All settings in force, as TOML with the origin of each in a comment, or as JSON.
std::string show_config(const LoadedConfig& loaded);
std::string show_config_json(const LoadedConfig& loaded);

}  // namespace drover::cli
