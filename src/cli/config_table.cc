#include "cli/config_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/log.h"
#include "store/postgres/address.h"

namespace drover::cli {
namespace {

constexpr std::int64_t kTebi = std::int64_t{1} << 40;

constexpr std::array kSettings{
    Setting{"data_dir", "folder of the database, the keys and the socket (made with mode 0700)",
            [](Config& c) -> Slot { return &c.data_dir; }},
    Setting{.name = "store",
            .help = "where tasks are kept: sqlite (a file in data_dir), or postgresql://USER@HOST/DATABASE",
            .slot = [](Config& c) -> Slot { return &c.store; },
            .store = true},
    Setting{"drain_timeout_s", "seconds that running jobs may take to end when the server stops",
            [](Config& c) -> Slot { return &c.drain_timeout_s; }, 0, 86'400},
    Setting{.name = "http.address",
            .help = "IP address to listen on; any but loopback needs TLS",
            .slot = [](Config& c) -> Slot { return &c.http.address; },
            .ip_address = true},
    Setting{"http.port", "TCP port; 0: any free one", [](Config& c) -> Slot { return &c.http.port; }, 0,
            65'535},
    Setting{.name = "http.tls_certificate",
            .help = "PEM file: certificate for https, then those that signed it; read again when it changes",
            .slot = [](Config& c) -> Slot { return &c.http.tls_certificate; },
            .may_be_empty = true},
    Setting{.name = "http.tls_key",
            .help = "PEM file: the certificate's private key, mode 0600",
            .slot = [](Config& c) -> Slot { return &c.http.tls_key; },
            .may_be_empty = true},
    Setting{.name = "http.tls_client_ca",
            .help = "PEM file: if set, clients over TCP must present a certificate signed by one of these",
            .slot = [](Config& c) -> Slot { return &c.http.tls_client_ca; },
            .may_be_empty = true},
    Setting{"http.allow_plaintext",
            "listen without TLS where others can read along: tokens and answers travel in clear",
            [](Config& c) -> Slot { return &c.http.allow_plaintext; }},
    Setting{"http.threads", "threads that read requests and write answers",
            [](Config& c) -> Slot { return &c.http.threads; }, 1, 64},
    Setting{"http.access_log", "log a line for each request",
            [](Config& c) -> Slot { return &c.http.access_log; }},
    Setting{"http.max_connections",
            "TCP connections; beyond that clients get 503. 0: 10,000, at most a quarter of the descriptors",
            [](Config& c) -> Slot { return &c.http.max_connections; }, 0, 1'000'000},
    Setting{"http.memory",
            "bytes of memory for large requests and for answers that clients are slow to take, half for each",
            [](Config& c) -> Slot { return &c.http.memory; }, std::int64_t{1} << 20, kTebi},
    Setting{"adb.key",
            "private RSA key by which phones know Drover, made if missing; default: adbkey in data_dir",
            [](Config& c) -> Slot { return &c.adb.key; }},
    Setting{.name = "auth.admin_password_file",
            .help = "file whose first line is the first user's password; without it one is made and shown",
            .slot = [](Config& c) -> Slot { return &c.auth.admin_password_file; },
            .may_be_empty = true},
    Setting{"auth.session_lifetime_s", "seconds that a login is good for",
            [](Config& c) -> Slot { return &c.auth.session_lifetime_s; }, 60, 30 * 86'400},
    Setting{"jobs.max_output", "bytes kept of one job's output; beyond that its head and tail",
            [](Config& c) -> Slot { return &c.jobs.max_output; }, 1'024, std::int64_t{1} << 30},
    Setting{"jobs.output_memory", "bytes of memory for the output of all jobs that run or are not stored yet",
            [](Config& c) -> Slot { return &c.jobs.output_memory; }, std::int64_t{1} << 20, kTebi},
    Setting{"jobs.max_queued", "jobs that may be accepted and not ended; beyond that requests get 503",
            [](Config& c) -> Slot { return &c.jobs.max_queued; }, 1, 1'000'000'000},
    Setting{"jobs.max_queued_per_project", "of these, jobs of one project; beyond that its requests get 429",
            [](Config& c) -> Slot { return &c.jobs.max_queued_per_project; }, 1, 1'000'000'000},
    Setting{"jobs.queue_memory",
            "bytes of memory for tasks that have not ended, half of it for one project; beyond that as above",
            [](Config& c) -> Slot { return &c.jobs.queue_memory; }, std::int64_t{1} << 20, kTebi},
    Setting{"jobs.cache_bytes",
            "bytes of memory for finished tasks, so that they are answered without the disk",
            [](Config& c) -> Slot { return &c.jobs.cache_bytes; }, 0, kTebi},
    Setting{"limits.project_rate",
            "requests a second of one project, a second's worth at once; beyond that 429. 0: no limit",
            [](Config& c) -> Slot { return &c.limits.project_rate; }, 0, 1'000'000},
    Setting{"limits.user_rate", "the same for one user, or one token",
            [](Config& c) -> Slot { return &c.limits.user_rate; }, 0, 1'000'000},
    Setting{"retention.days", "days that finished tasks are kept",
            [](Config& c) -> Slot { return &c.retention.days; }, 1, 36'500},
    Setting{"retention.jobs", "jobs that are kept; beyond that the oldest finished tasks go first",
            [](Config& c) -> Slot { return &c.retention.jobs; }, 1'000, 1'000'000'000'000},
    Setting{"retention.audit_days", "days that entries of the audit log are kept",
            [](Config& c) -> Slot { return &c.retention.audit_days; }, 1, 36'500},
    Setting{.name = "log.level",
            .help = "what is logged to standard error",
            .slot = [](Config& c) -> Slot { return &c.log.level; },
            .choices = "trace debug info warn error off"},
    Setting{.name = "log.format",
            .help = "lines for people or for programs",
            .slot = [](Config& c) -> Slot { return &c.log.format; },
            .choices = "text json"},
};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

bool is_store(const std::string& text) {
  return text == "sqlite" || ((text.starts_with("postgresql://") || text.starts_with("postgres://")) &&
                              !store::postgres::ends_too_early(text));
}

bool obeys(const Setting& setting, const std::string& text) {
  if (text.find('\0') != std::string::npos) return false;
  if (text.empty()) return setting.may_be_empty;
  if (setting.ip_address) return is_ip_address(text);
  if (setting.store) return is_store(text);
  if (setting.choices.empty()) return true;
  const std::vector<std::string_view> words = words_of(setting.choices);
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Insertions, removals and changes that make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  const auto* const at = std::find_if(kSettings.begin(), kSettings.end(),
                                      [name](const Setting& setting) { return setting.name == name; });
  return at == kSettings.end() ? nullptr : at;
}

std::string nearest_name(std::string_view name) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  const auto consider = [&](std::string_view candidate, std::string_view alike) {
    const std::size_t distance = edit_distance(name, alike);
    if (distance >= best_distance) return;
    best = candidate;
    best_distance = distance;
  };
  for (const Setting& setting : kSettings) {
    consider(setting.name, setting.name);
    const std::size_t dot = setting.name.find('.');
    if (dot == std::string_view::npos) continue;
    consider(setting.name, setting.name.substr(dot + 1));
    if (name.find('.') == std::string_view::npos)
      consider(setting.name.substr(0, dot), setting.name.substr(0, dot));
  }
  return std::string(best);
}

std::string rule_of(const Setting& setting) {
  Config any;
  const Slot slot = setting.slot(any);
  if (std::holds_alternative<bool*>(slot)) return "true or false";
  if (std::holds_alternative<std::int64_t*>(slot)) {
    return "a whole number from " + std::to_string(setting.min) + " to " + std::to_string(setting.max);
  }
  if (setting.ip_address) return "an IPv4 or IPv6 address";
  if (setting.store) return "\"sqlite\" or an address postgresql://USER@HOST/DATABASE";
  if (setting.choices.empty()) return setting.may_be_empty ? "a text" : "a text that is not empty";
  std::string rule = "one of";
  for (const std::string_view word : words_of(setting.choices)) rule.append(" \"").append(word).append("\"");
  return rule;
}

bool assign(const Setting& setting, const Value& value, Config& config) {
  const Slot slot = setting.slot(config);
  if (const auto* text = std::get_if<std::string>(&value)) {
    auto* const* to = std::get_if<std::string*>(&slot);
    if (to == nullptr || !obeys(setting, *text)) return false;
    **to = *text;
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    auto* const* to = std::get_if<std::int64_t*>(&slot);
    if (to == nullptr || *number < setting.min || *number > setting.max) return false;
    **to = *number;
  } else {
    auto* const* to = std::get_if<bool*>(&slot);
    if (to == nullptr) return false;
    **to = std::get<bool>(value);
  }
  return true;
}

bool assign_text(const Setting& setting, const std::string& text, Config& config) {
  const Slot slot = setting.slot(config);
  if (std::holds_alternative<bool*>(slot)) {
    if (text != "true" && text != "false") return false;
    return assign(setting, text == "true", config);
  }
  if (std::holds_alternative<std::int64_t*>(slot)) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && rest == end && assign(setting, number, config);
  }
  return assign(setting, text, config);
}

std::string value_text(const Setting& setting, const Config& config) {
  Config copy = config;  // slots are for writing; this is a rare call
  const Slot slot = setting.slot(copy);
  if (auto* const* flag = std::get_if<bool*>(&slot)) return **flag ? "true" : "false";
  if (auto* const* number = std::get_if<std::int64_t*>(&slot)) return std::to_string(**number);
  return "\"" + json_escape(setting.store ? config.shown_store() : *std::get<std::string*>(slot)) + "\"";
}

std::string env_name(std::string_view name) {
  std::string env = "DROVER_";
  for (const char c : name)
    env += c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  return env;
}

std::string flag_name(std::string_view name) {
  std::string flag = "--";
  for (const char c : name) flag += c == '.' || c == '_' ? '-' : c;
  return flag;
}

}  // namespace drover::cli
