#include "cli/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace drover::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 public:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-config-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    sources_.default_data_dir = dir_ + "/data";
  }
  ~ConfigTest() override { std::filesystem::remove_all(dir_); }

 protected:
  void write(const std::string& text) {
    sources_.file = dir_ + "/drover.toml";
    std::ofstream(sources_.file) << text;
  }
  // What is wrong with `text`, with the folder taken from the file's name.
  std::string wrong(const std::string& text) {
    write(text);
    const Result<LoadedConfig> loaded = load_config(sources_);
    if (loaded) return "";
    std::string message = loaded.error().message;
    for (std::size_t at = 0; (at = message.find(dir_ + "/")) != std::string::npos;)
      message.erase(at, dir_.size() + 1);
    return message;
  }

  std::string dir_;
  ConfigSources sources_;
};

TEST_F(ConfigTest, DefaultsStandWithoutAnySource) {
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.http.port, 8580);
  EXPECT_EQ(loaded->config.http.address, "127.0.0.1");
  EXPECT_EQ(loaded->config.data_dir, dir_ + "/data");
  EXPECT_EQ(loaded->config.adb.key, dir_ + "/data/adbkey");
  EXPECT_EQ(loaded->config.socket(), dir_ + "/data/drover.sock");
  EXPECT_TRUE(loaded->origins.empty());
}

TEST_F(ConfigTest, EveryKeyCanBeSetInTheFile) {
  write(R"(data_dir = "/srv/drover"
store = "postgresql://db.example/drover"
drain_timeout_s = 5
http = { address = "::1", port = 0, threads = 2, access_log = false, max_connections = 3, memory = 2097152, )"
        R"(tls_certificate = "/srv/c", tls_key = "/srv/k", tls_client_ca = "/srv/a", allow_plaintext = true }
adb.key = "/srv/key"
[jobs]
max_output = 2048
output_memory = 1048576
max_queued = 7
max_queued_per_project = 6
queue_memory = 3145728
cache_bytes = 0
[retention]
days = 1
jobs = 1000
audit_days = 2
[log]
level = "debug"
format = "json"
[auth]
admin_password_file = "/srv/password"
session_lifetime_s = 60
[limits]
project_rate = 5
user_rate = 0
)");
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->config.data_dir, "/srv/drover");
  EXPECT_EQ(loaded->config.store, "postgresql://db.example/drover");
  EXPECT_EQ(loaded->config.drain_timeout_s, 5);
  EXPECT_EQ(loaded->config.http.address, "::1");
  EXPECT_EQ(loaded->config.http.port, 0);
  EXPECT_EQ(loaded->config.http.threads, 2);
  EXPECT_FALSE(loaded->config.http.access_log);
  EXPECT_EQ(loaded->config.http.tls_certificate, "/srv/c");
  EXPECT_EQ(loaded->config.http.tls_key, "/srv/k");
  EXPECT_EQ(loaded->config.http.tls_client_ca, "/srv/a");
  EXPECT_TRUE(loaded->config.http.allow_plaintext);
  EXPECT_EQ(loaded->config.adb.key, "/srv/key");
  EXPECT_EQ(loaded->config.jobs.max_output, 2048);
  EXPECT_EQ(loaded->config.jobs.output_memory, 1048576);
  EXPECT_EQ(loaded->config.jobs.max_queued, 7);
  EXPECT_EQ(loaded->config.jobs.max_queued_per_project, 6);
  EXPECT_EQ(loaded->config.jobs.queue_memory, 3145728);
  EXPECT_EQ(loaded->config.http.max_connections, 3);
  EXPECT_EQ(loaded->config.http.memory, 2097152);
  EXPECT_EQ(loaded->config.jobs.cache_bytes, 0);
  EXPECT_EQ(loaded->config.retention.days, 1);
  EXPECT_EQ(loaded->config.retention.jobs, 1000);
  EXPECT_EQ(loaded->config.retention.audit_days, 2);
  EXPECT_EQ(loaded->config.log.level, "debug");
  EXPECT_EQ(loaded->config.log.format, "json");
  EXPECT_EQ(loaded->config.auth.admin_password_file, "/srv/password");
  EXPECT_EQ(loaded->config.auth.session_lifetime_s, 60);
  EXPECT_EQ(loaded->config.limits.project_rate, 5);
  EXPECT_EQ(loaded->config.limits.user_rate, 0);
  EXPECT_EQ(loaded->origins.size(), config_keys().size());
  EXPECT_EQ(loaded->origins.at("jobs.max_queued"), sources_.file + ":9");
}

TEST_F(ConfigTest, UnknownKeysAreNamedWithTheirLineAndTheLikeliestName) {
  EXPECT_EQ(wrong("\n[http]\nprot = 1\n"), "drover.toml:3: http.prot: unknown key (did you mean http.port?)");
  EXPECT_EQ(wrong("[htpp]\nport = 1\n"), "drover.toml:1: htpp: unknown key (did you mean http?)");
  EXPECT_EQ(wrong("port = 1\n"), "drover.toml:1: port: unknown key (did you mean http.port?)");
  EXPECT_EQ(wrong("zebra_crossings = 1\n"), "drover.toml:1: zebra_crossings: unknown key");
  EXPECT_EQ(wrong("[log]\nlevel.deep = 1\n"),
            "drover.toml:2: log.level: must be one of \"trace\" \"debug\" \"info\" \"warn\" \"error\" "
            "\"off\", not a "
            "section");
}

TEST_F(ConfigTest, WrongValuesAreNamedWithTheirLineAndRule) {
  EXPECT_EQ(wrong("[http]\nport = 65536\n"),
            "drover.toml:2: http.port: must be a whole number from 0 to 65535, not 65536");
  EXPECT_EQ(wrong("[http]\nport = -1\n"),
            "drover.toml:2: http.port: must be a whole number from 0 to 65535, not -1");
  EXPECT_EQ(wrong("[http]\nport = \"80\"\n"),
            "drover.toml:2: http.port: must be a whole number from 0 to 65535, not \"80\"");
  EXPECT_EQ(wrong("[http]\nport = 80.5\n"),
            "drover.toml:2: http.port: must be a whole number from 0 to 65535, not 80.5");
  EXPECT_EQ(wrong("[http]\nport = [80]\n"),
            "drover.toml:2: http.port: must be a whole number from 0 to 65535, not a list");
  EXPECT_EQ(wrong("[http]\nthreads = 0\n"),
            "drover.toml:2: http.threads: must be a whole number from 1 to 64, not 0");
  EXPECT_EQ(wrong("[http]\naccess_log = 1\n"),
            "drover.toml:2: http.access_log: must be true or false, not 1");
  EXPECT_EQ(wrong("[http]\naddress = \"localhost\"\n"),
            "drover.toml:2: http.address: must be an IPv4 or IPv6 address, not \"localhost\"");
  EXPECT_EQ(wrong("[log]\nformat = \"xml\"\n"),
            "drover.toml:2: log.format: must be one of \"text\" \"json\", not \"xml\"");
  EXPECT_EQ(wrong("data_dir = \"\"\n"),
            "drover.toml:1: data_dir: must be a text that is not empty, not \"\"");
  EXPECT_EQ(wrong("http = 5\n"), "drover.toml:1: http: must be a section, written [http]");
}

TEST_F(ConfigTest, AllMistakesAreToldAtOnceInTheOrderOfTheirLines) {
  EXPECT_EQ(wrong("[retention]\ndays = 0\n[http]\nprot = 1\n[adb]\nkeys = \"\"\n"),
            "drover.toml:2: retention.days: must be a whole number from 1 to 36500, not 0\n"
            "drover.toml:4: http.prot: unknown key (did you mean http.port?)\n"
            "drover.toml:6: adb.keys: unknown key (did you mean adb.key?)");
}

TEST_F(ConfigTest, BrokenTomlIsNamedWithItsLine) {
  EXPECT_THAT(wrong("[http]\nport = \n"), HasSubstr("drover.toml:2: "));
  EXPECT_THAT(wrong("[http\n"), HasSubstr("drover.toml:1: "));
  EXPECT_THAT(wrong("[http]\nport = 1\nport = 2\n"), HasSubstr("drover.toml:3: "));
}

TEST_F(ConfigTest, AFileThatWasNamedMustBeThere) {
  sources_.file = dir_ + "/none.toml";
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("none.toml: cannot be opened"));
}

TEST_F(ConfigTest, TheDefaultFileMayBeMissing) {
  sources_.default_file = dir_ + "/none.toml";
  EXPECT_TRUE(load_config(sources_));
}

TEST_F(ConfigTest, EnvironmentBeatsFileAndFlagsBeatBoth) {
  write("[http]\nport = 1\nthreads = 2\naccess_log = true\n");
  sources_.env = {"DROVER_HTTP_PORT=3", "DROVER_HTTP_THREADS=4", "HOME=/root",
                  "DROVER_HTTP_ACCESS_LOG=false"};
  sources_.flags = {{"http.port", "5"}};
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->config.http.port, 5);
  EXPECT_EQ(loaded->config.http.threads, 4);
  EXPECT_FALSE(loaded->config.http.access_log);
  EXPECT_EQ(loaded->origins.at("http.port"), "--http-port");
  EXPECT_EQ(loaded->origins.at("http.threads"), "DROVER_HTTP_THREADS");
}

TEST_F(ConfigTest, WrongVariablesAndFlagsAreNamed) {
  sources_.env = {"DROVER_HTTP_PORT=80x", "DROVER_HTTP_ACCESS_LOG=yes"};
  sources_.flags = {{"log.level", "loud"}};
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(
      loaded.error().message,
      "environment DROVER_HTTP_PORT: http.port: must be a whole number from 0 to 65535, not \"80x\"\n"
      "environment DROVER_HTTP_ACCESS_LOG: http.access_log: must be true or false, not \"yes\"\n"
      "--log-level: log.level: must be one of \"trace\" \"debug\" \"info\" \"warn\" \"error\" \"off\", not "
      "\"loud\"");
}

TEST_F(ConfigTest, VariablesOfOthersAreOnlyMentioned) {
  sources_.env = {"DROVER_SERVICE_HOST=10.0.0.1", "DROVER_TOKEN=x"};
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->warnings, ElementsAre(HasSubstr("DROVER_SERVICE_HOST")));
}

TEST_F(ConfigTest, WithoutTlsOnlyLoopbackIsListenedOn) {
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1"}) {
    sources_.flags = {{"http.address", address}};
    const Result<LoadedConfig> loaded = load_config(sources_);
    ASSERT_TRUE(loaded) << address;
    EXPECT_TRUE(loaded->warnings.empty()) << address;
  }
  for (const char* address : {"0.0.0.0", "192.0.2.1", "1.127.0.0", "::", "2001:db8::1"}) {
    sources_.flags = {{"http.address", address}};
    const Result<LoadedConfig> refused = load_config(sources_);
    ASSERT_FALSE(refused) << address;
    for (const char* way : {address, "http.tls_certificate", "http.tls_key", "proxy", "http.allow_plaintext"})
      EXPECT_THAT(refused.error().message, HasSubstr(way));

    sources_.flags["http.allow_plaintext"] = "true";
    const Result<LoadedConfig> warned = load_config(sources_);
    ASSERT_TRUE(warned) << address;
    EXPECT_THAT(warned->warnings, ElementsAre(HasSubstr("travel in clear")));

    sources_.flags = {{"http.address", address}, {"http.tls_certificate", "c"}, {"http.tls_key", "k"}};
    const Result<LoadedConfig> secured = load_config(sources_);
    ASSERT_TRUE(secured) << address;
    EXPECT_TRUE(secured->warnings.empty());
  }
}

TEST_F(ConfigTest, SettingsOfTlsGoTogether) {
  const auto wrong_with = [&](std::map<std::string, std::string> flags) {
    sources_.flags = std::move(flags);
    const Result<LoadedConfig> loaded = load_config(sources_);
    return loaded ? "" : loaded.error().message;
  };
  EXPECT_EQ(wrong_with({{"http.tls_key", "k"}}), "http.tls_key: needs http.tls_certificate as well");
  EXPECT_EQ(wrong_with({{"http.tls_certificate", "c"}}), "http.tls_certificate: needs http.tls_key as well");
  EXPECT_EQ(wrong_with({{"http.tls_client_ca", "a"}}),
            "http.tls_client_ca: needs http.tls_certificate and http.tls_key as well");
  EXPECT_EQ(wrong_with({{"http.tls_key", ""}}), "");
}

TEST_F(ConfigTest, ADataFolderTooLongForTheSocketIsRefused) {
  sources_.flags = {{"data_dir", "/" + std::string(120, 'x')}};
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("data_dir: too long"));
}

TEST_F(ConfigTest, WhatIsPrintedCanBeReadAgain) {
  sources_.flags = {{"http.port", "1234"}, {"data_dir", "/srv/a \"b\" \\c"}, {"http.access_log", "false"}};
  const Result<LoadedConfig> first = load_config(sources_);
  ASSERT_TRUE(first);
  EXPECT_THAT(show_config(*first), HasSubstr("port = 1234  # --http-port\n"));
  sources_.flags.clear();
  write(show_config(*first));
  const Result<LoadedConfig> again = load_config(sources_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(show_config_json(*again), show_config_json(*first));
}

TEST_F(ConfigTest, ThePasswordOfAStoreIsNotShown) {
  const auto shown = [this](const std::string& store) {
    sources_.flags = {{"store", store}};
    const Result<LoadedConfig> loaded = load_config(sources_);
    EXPECT_TRUE(loaded);
    EXPECT_EQ(loaded->config.store, store);
    EXPECT_THAT(show_config(*loaded), Not(HasSubstr("secret")));
    EXPECT_THAT(show_config_json(*loaded), Not(HasSubstr("secret")));
    return loaded->config.shown_store();
  };
  EXPECT_EQ(shown("sqlite"), "sqlite");
  EXPECT_EQ(shown("postgresql://h/d"), "postgresql://h/d");
  EXPECT_EQ(shown("postgresql://ann@h:5432/d"), "postgresql://ann@h:5432/d");
  EXPECT_EQ(shown("postgresql://ann:secret@h:5432/d"), "postgresql://ann:***@h:5432/d");
  EXPECT_EQ(shown("postgresql://h/d?sslpassword=secret"), "postgresql://h/d?sslpassword=***");
  EXPECT_EQ(shown("postgres://:secret@h1:1,h2:2"), "postgres://:***@h1:1,h2:2");
  EXPECT_EQ(shown("postgresql://h/d?a=b&password=secret"), "postgresql://h/d?a=b&password=***");
  EXPECT_EQ(shown("postgresql://h/d?password=secret&a=b"), "postgresql://h/d?password=***&a=b");
}

TEST_F(ConfigTest, AStoreThatIsNoneIsRefusedWithoutBeingShown) {
  sources_.flags = {{"store", "host=h password=secret"}};
  const Result<LoadedConfig> loaded = load_config(sources_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message,
            "--store: store: must be \"sqlite\" or an address postgresql://USER@HOST/DATABASE");
}

TEST_F(ConfigTest, AnAddressThatWouldShowItsPasswordIsRefused) {
  sources_.flags = {{"store", "postgresql://ann:sec@ret@h/d"}};
  const Result<LoadedConfig> by_flag = load_config(sources_);
  ASSERT_FALSE(by_flag);
  EXPECT_THAT(by_flag.error().message, testing::AllOf(HasSubstr("%40"), Not(HasSubstr("sec")),
                                                      Not(HasSubstr("ret@")), Not(HasSubstr("ann"))));
  sources_.flags.clear();
  write("store = \"postgresql://ann:sec@ret@h/d\"\n");
  const Result<LoadedConfig> by_file = load_config(sources_);
  ASSERT_FALSE(by_file);
  EXPECT_THAT(by_file.error().message, testing::AllOf(HasSubstr(":1: store:"), HasSubstr("%40")));
}

TEST_F(ConfigTest, AFileWithAPasswordIsForItsOwnerAlone) {
  const auto warned = [this](mode_t mode, const std::string& store) {
    write("store = \"" + store + "\"\n");
    EXPECT_EQ(::chmod(sources_.file.c_str(), mode), 0);
    const Result<LoadedConfig> loaded = load_config(sources_);
    EXPECT_TRUE(loaded);
    if (!loaded || loaded->warnings.empty()) return false;
    EXPECT_THAT(loaded->warnings.front(), testing::AllOf(HasSubstr("chmod 600 " + sources_.file),
                                                         HasSubstr("passfile"), Not(HasSubstr("secret"))));
    return true;
  };
  EXPECT_TRUE(warned(0644, "postgresql://ann:secret@h/d"));
  EXPECT_TRUE(warned(0604, "postgresql://h/d?password=secret"));
  EXPECT_EQ(warned(0640, "postgresql://ann:secret@h/d"), ::geteuid() != 0);
  EXPECT_FALSE(warned(0600, "postgresql://ann:secret@h/d"));
  EXPECT_FALSE(warned(0644, "postgresql://ann@h/d?passfile=/srv/pgpass"));
}

// The example beside the sources must hold every key at its default.
TEST_F(ConfigTest, TheExampleFileIsTheDefaults) {
  sources_.file = DROVER_EXAMPLE_CONFIG;
  const Result<LoadedConfig> example = load_config(sources_);
  ASSERT_TRUE(example) << example.error().message;
  sources_.file.clear();
  sources_.flags = {{"data_dir", example->config.data_dir}};
  const Result<LoadedConfig> defaults = load_config(sources_);
  ASSERT_TRUE(defaults);
  EXPECT_EQ(show_config_json(*example), show_config_json(*defaults));
  EXPECT_EQ(example->origins.size(), config_keys().size());
}

}  // namespace
}  // namespace drover::cli
