#include "cli/config.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cli/config_table.h"
#include "cli/errc.h"
#include "cli/paths.h"
#include "store/postgres/address.h"

namespace drover::cli {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un

// What the client commands and scripts read from the environment, besides the settings.
constexpr std::string_view kOtherVariables[] = {"DROVER_CONFIG",    "DROVER_SERVER",
                                                "DROVER_TOKEN",     "DROVER_PROJECT",
                                                "DROVER_CA",        "DROVER_CLIENT_CERTIFICATE",
                                                "DROVER_CLIENT_KEY"};

bool is_section(std::string_view name) {
  const std::string prefix = std::string(name) + ".";
  return std::ranges::any_of(settings(), [&](const Setting& s) { return s.name.starts_with(prefix); });
}

std::string unknown_key(std::string_view name) {
  std::string text = std::string(name) + ": unknown key";
  const std::string near = nearest_name(name);
  if (!near.empty()) text += " (did you mean " + near + "?)";
  return text;
}

std::string broken_rule(const Setting& setting, std::string_view shown) {
  std::string text = std::string(setting.name);
  if (setting.store && store::postgres::ends_too_early(shown))
    return text.append(": ").append(store::postgres::kEscapeHint);
  text += ": must be " + rule_of(setting);
  // What was meant for an address may have a password in it.
  if (!setting.store) text.append(", not ").append(shown);
  return text;
}

// Reads one file's tables into a Config, and keeps what is wrong with it by line.
class FileReader {
 public:
  FileReader(std::string file, LoadedConfig& into) : file_(std::move(file)), into_(into) {}

  Result<> read(std::string_view text) {
    try {
      const toml::table table = toml::parse(text, file_);
      walk(table, "");
    } catch (const toml::parse_error& error) {
      complain(error.source().begin.line, std::string(error.description()));
    }
    if (wrong_.empty()) return {};
    std::ranges::stable_sort(wrong_, {}, &Wrong::line);
    std::string all;
    for (const Wrong& wrong : wrong_) all.append(all.empty() ? "" : "\n").append(wrong.message);
    return fail(Errc::kUsage, all);
  }

 private:
  struct Wrong {
    std::uint32_t line;
    std::string message;
  };

  std::string place(std::uint32_t line) const { return file_ + ":" + std::to_string(line); }
  void complain(std::uint32_t line, const std::string& what) {
    wrong_.push_back({line, place(line) + ": " + what});
  }

  void walk(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      const std::uint32_t line = key.source().begin.line;
      if (const Setting* setting = find_setting(name)) {
        take(*setting, node, line);
      } else if (!is_section(name)) {
        complain(line, unknown_key(name));
      } else if (const toml::table* section = node.as_table()) {
        walk(*section, name + ".");
      } else {
        complain(line, std::string(name).append(": must be a section, written [").append(name).append("]"));
      }
    }
  }

  void take(const Setting& setting, const toml::node& node, std::uint32_t line) {
    bool taken = false;
    if (const auto text = node.value_exact<std::string>()) taken = assign(setting, *text, into_.config);
    if (const auto number = node.value_exact<std::int64_t>()) taken = assign(setting, *number, into_.config);
    if (const auto flag = node.value_exact<bool>()) taken = assign(setting, *flag, into_.config);
    if (taken) {
      into_.origins[std::string(setting.name)] = place(line);
    } else {
      complain(line, broken_rule(setting, shown(node)));
    }
  }

  static std::string shown(const toml::node& node) {
    if (node.is_table()) return "a section";
    if (node.is_array()) return "a list";
    if (const auto text = node.value_exact<std::string>()) return "\"" + *text + "\"";
    std::ostringstream text;
    node.visit([&text](const auto& value) {
      using Kind = std::decay_t<decltype(value)>;
      if constexpr (!std::is_same_v<Kind, toml::table> && !std::is_same_v<Kind, toml::array>) text << value;
    });
    return text.str();
  }

  std::string file_;
  LoadedConfig& into_;
  std::vector<Wrong> wrong_;
};

// Of a file with a password in it. The group may read it if root gives it to the group to read.
void look_at_mode(const std::string& file, LoadedConfig& into) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return;
  const mode_t open = status.st_uid == 0 ? S_IROTH : S_IROTH | S_IRGRP;
  if ((status.st_mode & open) == 0) return;
  into.warnings.push_back(file + " has a password in store, and other users may read it: chmod 600 " + file +
                          ", or let the address name a file of passwords instead (?passfile=FILE)");
}

Result<> read_file(const ConfigSources& sources, LoadedConfig& into) {
  std::string file = sources.file;
  if (file.empty()) {
    std::error_code error;
    if (sources.default_file.empty() || !std::filesystem::exists(sources.default_file, error)) return {};
    file = sources.default_file;
  }
  const Result<std::string> text = read_whole_file(file, kMaxFile);
  if (!text) return Failure(text.error());
  Result<> read = FileReader(file, into).read(*text);
  if (store::postgres::has_password(into.config.store)) look_at_mode(file, into);
  return read;
}

void complain_to(std::string& wrong, const std::string& what) {
  if (!wrong.empty()) wrong += '\n';
  wrong += what;
}

void read_environment(const std::vector<std::string>& variables, LoadedConfig& into, std::string& wrong) {
  for (const std::string& variable : variables) {
    if (!variable.starts_with("DROVER_")) continue;
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    const auto named = [&name](const Setting& s) { return env_name(s.name) == name; };
    const auto setting = std::ranges::find_if(settings(), named);
    if (setting == settings().end()) {
      const bool other = std::ranges::find(kOtherVariables, name) != std::end(kOtherVariables);
      // Not a failure: container systems add variables such as DROVER_SERVICE_HOST of their own.
      if (!other)
        into.warnings.push_back("environment variable " + name + " is no setting of Drover: ignored");
      continue;
    }
    const std::string value = variable.substr(equals + 1);
    if (assign_text(*setting, value, into.config)) {
      into.origins[std::string(setting->name)] = name;
    } else {
      complain_to(wrong, "environment " + name + ": " + broken_rule(*setting, "\"" + value + "\""));
    }
  }
}

void read_flags(const std::map<std::string, std::string>& flags, LoadedConfig& into, std::string& wrong) {
  for (const auto& [name, value] : flags) {
    const Setting* const setting = find_setting(name);
    if (setting != nullptr && assign_text(*setting, value, into.config)) {
      into.origins[name] = flag_name(name);
    } else {
      complain_to(wrong,
                  flag_name(name) + ": " +
                      (setting == nullptr ? unknown_key(name) : broken_rule(*setting, "\"" + value + "\"")));
    }
  }
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
  return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// Settings of which each is good, and that are not good together.
void check_transport(const Config::Http& http, LoadedConfig& into, std::string& wrong) {
  if (http.tls_certificate.empty() != http.tls_key.empty()) {
    const bool key = http.tls_certificate.empty();
    complain_to(wrong, std::string(key ? "http.tls_key" : "http.tls_certificate") + ": needs " +
                           (key ? "http.tls_certificate" : "http.tls_key") + " as well");
  } else if (!http.tls_client_ca.empty() && !http.tls()) {
    complain_to(wrong, "http.tls_client_ca: needs http.tls_certificate and http.tls_key as well");
  }
  if (http.tls() || is_loopback(http.address)) return;
  const std::string what = "http.address " + http.address +
                           " is not loopback, and without TLS tokens and phones' answers travel in clear";
  if (http.allow_plaintext) {
    into.warnings.push_back(what);
  } else {
    complain_to(wrong, what +
                           ": set http.tls_certificate and http.tls_key, or stay on loopback behind a proxy "
                           "that speaks TLS, or set http.allow_plaintext = true");
  }
}

}  // namespace

std::string Config::shown_store() const { return store::postgres::without_passwords(store); }

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const Setting& setting : settings()) {
    keys.push_back({std::string(setting.name), flag_name(setting.name), env_name(setting.name),
                    std::string(setting.help)});
  }
  return keys;
}

Result<LoadedConfig> load_config(const ConfigSources& sources) {
  LoadedConfig loaded;
  std::string wrong;
  if (const Result<> read = read_file(sources, loaded); !read) wrong = read.error().message;
  read_environment(sources.env, loaded, wrong);
  read_flags(sources.flags, loaded, wrong);

  Config& config = loaded.config;
  if (config.data_dir.empty()) config.data_dir = sources.default_data_dir;
  config.data_dir = std::filesystem::absolute(config.data_dir).lexically_normal().string();
  if (config.data_dir.size() > 1 && config.data_dir.back() == '/') config.data_dir.pop_back();
  if (config.adb.key.empty()) config.adb.key = config.data_dir + "/adbkey";
  if (config.socket().size() > kMaxSocketPath) {
    complain_to(wrong, "data_dir: too long for the Unix socket in it, whose path may have " +
                           std::to_string(kMaxSocketPath) + " bytes: " + config.socket());
  }
  check_transport(config.http, loaded, wrong);
  if (!wrong.empty()) return fail(Errc::kUsage, wrong);
  return loaded;
}

std::string show_config(const LoadedConfig& loaded) {
  std::string text;
  std::string section;
  for (const Setting& setting : settings()) {
    const std::string name(setting.name);
    const std::size_t dot = name.find('.');
    const std::string own_section = dot == std::string::npos ? "" : name.substr(0, dot);
    if (own_section != section) text += "\n[" + own_section + "]\n";
    section = own_section;
    const auto origin = loaded.origins.find(name);
    text += name.substr(dot == std::string::npos ? 0 : dot + 1) + " = " + value_text(setting, loaded.config);
    text += "  # " + (origin == loaded.origins.end() ? "default" : origin->second) + "\n";
  }
  return text;
}

std::string show_config_json(const LoadedConfig& loaded) {
  std::string text = "{";
  for (const Setting& setting : settings()) {
    if (text.size() > 1) text += ",";
    text += "\"" + std::string(setting.name) + "\":" + value_text(setting, loaded.config);
  }
  return text + "}\n";
}

}  // namespace drover::cli
