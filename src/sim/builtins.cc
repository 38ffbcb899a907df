#include "sim/builtins.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "sim/android.h"
#include "sim/phone.h"

namespace drover::sim {
namespace {

using Words = std::vector<std::string>;

bool has_word(const Words& words, std::string_view word) {
  return std::find(words.begin() + 1, words.end(), word) != words.end();
}

int complain(BuiltinCall& call, std::string_view what, int status = 1) {
  call.err += fmt::format("{}: {}\n", call.words[0], what);
  return status;
}

int not_simulated(BuiltinCall& call) { return complain(call, "not imitated by a simulated phone"); }

int run_true(BuiltinCall&) { return 0; }
int run_false(BuiltinCall&) { return 1; }

// mksh's echo knows escapes without being asked.
int run_echo(BuiltinCall& call) {
  std::size_t first = 1;
  bool newline = true;
  for (; first < call.words.size() && (call.words[first] == "-n" || call.words[first] == "-e"); ++first) {
    if (call.words[first] == "-n") newline = false;
  }
  for (std::size_t i = first; i < call.words.size(); ++i) {
    if (i > first) call.out.push_back(' ');
    const std::string& word = call.words[i];
    for (std::size_t at = 0; at < word.size(); ++at) {
      if (word[at] != '\\' || at + 1 == word.size()) {
        call.out.push_back(word[at]);
        continue;
      }
      switch (word[++at]) {
        case 'n':
          call.out.push_back('\n');
          break;
        case 't':
          call.out.push_back('\t');
          break;
        case 'r':
          call.out.push_back('\r');
          break;
        case '\\':
          call.out.push_back('\\');
          break;
        case 'c':
          return 0;
        default:
          call.out.push_back('\\');
          call.out.push_back(word[at]);
      }
    }
  }
  if (newline) call.out.push_back('\n');
  return 0;
}

int run_getprop(BuiltinCall& call) {
  if (call.words.size() == 1) {
    for (const auto& [key, value] : properties(call.phone))
      call.out += fmt::format("[{}]: [{}]\n", key, value);
    return 0;
  }
  std::string value = property(call.phone, call.words[1]);
  if (value.empty() && call.words.size() > 2) value = call.words[2];
  call.out.append(value).push_back('\n');
  return 0;
}

int run_setprop(BuiltinCall& call) {
  if (call.words.size() != 3 || call.words[1].empty() || call.words[1].find('/') != std::string::npos) {
    return complain(call, "usage: setprop NAME VALUE");
  }
  const std::string& key = call.words[1];
  if (key.starts_with("ro.") || !call.phone.set(key, call.words[2])) {
    call.err += fmt::format("Failed to set property '{}' to '{}'.\nSee dmesg for error reason.\n", key,
                            call.words[2]);
    return 1;
  }
  return 0;
}

int run_ls(BuiltinCall& call) {
  bool long_form = false;
  std::vector<std::string_view> paths;
  for (std::size_t i = 1; i < call.words.size(); ++i) {
    if (call.words[i].starts_with('-')) {
      long_form = long_form || call.words[i].find('l') != std::string::npos;
    } else {
      paths.push_back(call.words[i]);
    }
  }
  if (paths.empty()) paths.emplace_back("/");
  int status = 0;
  for (const std::string_view path : paths) {
    if (const auto names = list_directory(path)) {
      if (paths.size() > 1) call.out += fmt::format("{}{}:\n", path == paths[0] ? "" : "\n", path);
      for (const std::string_view name : *names) {
        const std::string inside = fmt::format("{}{}{}", path, path.ends_with('/') ? "" : "/", name);
        const auto file = read_file(call.phone, inside);
        if (long_form) {
          call.out += fmt::format("{} 1 root root {:>8} 2023-10-05 00:00 ",
                                  file ? "-rw-r--r--" : "drwxr-xr-x", file ? file->size() : 4096);
        }
        call.out.append(name).push_back('\n');
      }
    } else if (read_file(call.phone, path)) {
      call.out.append(path).push_back('\n');
    } else {
      status = complain(call, fmt::format("{}: No such file or directory", path));
    }
  }
  return status;
}

int run_cat(BuiltinCall& call) {
  if (call.words.size() == 1) call.out = std::move(call.input);
  int status = 0;
  for (std::size_t i = 1; i < call.words.size(); ++i) {
    if (const auto text = read_file(call.phone, call.words[i])) {
      call.out += *text;
    } else {
      const bool directory = list_directory(call.words[i]).has_value();
      status =
          complain(call, call.words[i] + (directory ? ": Is a directory" : ": No such file or directory"));
    }
  }
  return status;
}

int run_pm(BuiltinCall& call) {
  const Words& words = call.words;
  if (words.size() > 2 && words[1] == "list" && words[2] == "packages") {
    const bool third_party = has_word(words, "-3");
    const bool system = has_word(words, "-s");
    const std::string_view filter =
        words.size() > 3 && !words.back().starts_with('-') ? words.back() : std::string_view();
    for (const Package& package : packages()) {
      if ((third_party && !package.third_party) || (system && package.third_party)) continue;
      if (package.name.find(filter) == std::string_view::npos) continue;
      const bool with_path = has_word(words, "-f");
      call.out +=
          fmt::format("package:{}{}{}\n", with_path ? package.path : "", with_path ? "=" : "", package.name);
    }
    return 0;
  }
  if (words.size() == 3 && words[1] == "path") {
    for (const Package& package : packages()) {
      if (package.name != words[2]) continue;
      call.out += fmt::format("package:{}\n", package.path);
      return 0;
    }
    return 1;
  }
  return not_simulated(call);
}

// "act=A cmp=C" of the options of `am`, as it repeats them.
std::string describe_intent(const Words& words) {
  std::string text;
  for (std::size_t i = 2; i + 1 < words.size(); ++i) {
    if (words[i] == "-a") text += fmt::format("act={} ", words[i + 1]);
    if (words[i] == "-d") text += fmt::format("dat={} ", words[i + 1]);
    if (words[i] == "-n") text += fmt::format("cmp={} ", words[i + 1]);
  }
  return text;
}

int run_am(BuiltinCall& call) {
  const std::string_view what = call.words.size() > 1 ? std::string_view(call.words[1]) : "";
  if (what == "start" || what == "start-activity" || what == "startservice" || what == "start-service") {
    call.out += fmt::format("Starting{}: Intent {{ {}}}\n", what.ends_with("service") ? " service" : "",
                            describe_intent(call.words));
    return 0;
  }
  if (what == "broadcast") {
    call.out += fmt::format("Broadcasting: Intent {{ {}flg=0x400000 }}\nBroadcast completed: result=0\n",
                            describe_intent(call.words));
    return 0;
  }
  if (what == "force-stop" || what == "kill")
    return call.words.size() > 2 ? 0 : complain(call, "missing package", 255);
  return not_simulated(call);
}

int run_input(BuiltinCall& call) {
  const std::string_view what = call.words.size() > 1 ? std::string_view(call.words[1]) : "";
  const std::size_t arguments = call.words.size() < 2 ? 0 : call.words.size() - 2;
  const bool known = (what == "tap" && arguments == 2) ||
                     (what == "swipe" && (arguments == 4 || arguments == 5)) ||
                     ((what == "keyevent" || what == "text") && arguments >= 1);
  if (known) return 0;
  call.err += "Usage: input tap X Y | swipe X1 Y1 X2 Y2 [MS] | keyevent CODE... | text STRING\n";
  return 255;
}

int run_id(BuiltinCall& call) {
  call.out +=
      "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),1015(sdcard_rw),3003(inet) "
      "context=u:r:shell:s0\n";
  return 0;
}

int run_whoami(BuiltinCall& call) {
  call.out += "shell\n";
  return 0;
}

int run_pwd(BuiltinCall& call) {
  call.out += "/\n";
  return 0;
}

int run_uname(BuiltinCall& call) {
  const std::string_view option = call.words.size() > 1 ? std::string_view(call.words[1]) : "-s";
  if (option == "-a") {
    call.out +=
        "Linux localhost 5.10.157-android13-4 #1 SMP PREEMPT Thu Oct 5 00:00:00 UTC 2023 aarch64 Toybox\n";
  } else if (option == "-r") {
    call.out += "5.10.157-android13-4\n";
  } else if (option == "-m") {
    call.out += "aarch64\n";
  } else if (option == "-s") {
    call.out += "Linux\n";
  } else {
    return not_simulated(call);
  }
  return 0;
}

int run_date(BuiltinCall& call) {
  std::string format = "%a %b %e %H:%M:%S GMT %Y";
  for (std::size_t i = 1; i < call.words.size(); ++i) {
    if (call.words[i].starts_with('+')) {
      format = call.words[i].substr(1);
    } else if (call.words[i] != "-u") {
      return not_simulated(call);
    }
  }
  const auto now = static_cast<std::time_t>(call.phone.clock().unix_ms() / 1000);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 512> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), format.c_str(), &parts);
  call.out.append(text.data(), size).push_back('\n');
  return 0;
}

int run_settings(BuiltinCall& call) {
  const Words& words = call.words;
  const bool get = words.size() == 4 && words[1] == "get";
  const bool put = words.size() == 5 && words[1] == "put";
  if (!get && !put) return not_simulated(call);
  // Kept beside the properties, under names that no property has.
  const std::string key = fmt::format("{}/{}", words[2], words[3]);
  if (put) return call.phone.set(key, words[4]) ? 0 : complain(call, "no room");
  const std::string value = property(call.phone, key);
  if (!value.empty()) {
    call.out += value;
  } else if (key == "secure/android_id") {
    call.out += fmt::format("{:016x}", 0x5d0e000000000000 + call.phone.index());
  } else if (key == "system/screen_brightness") {
    call.out += "102";
  } else {
    call.out += "null";
  }
  call.out.push_back('\n');
  return 0;
}

int run_dumpsys(BuiltinCall& call) {
  if (call.words.size() != 2 || call.words[1] != "battery") return not_simulated(call);
  call.out += fmt::format(
      "Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  Wireless powered: false\n"
      "  status: 2\n  health: 2\n  present: true\n  level: {}\n  scale: 100\n  voltage: 4200\n  temperature: "
      "250\n"
      "  technology: Li-ion\n",
      100 - call.phone.index() % 60);
  return 0;
}

int run_wm(BuiltinCall& call) {
  const std::string_view what = call.words.size() == 2 ? std::string_view(call.words[1]) : "";
  if (what == "size") {
    call.out += "Physical size: 1080x2400\n";
  } else if (what == "density") {
    call.out += "Physical density: 420\n";
  } else {
    return not_simulated(call);
  }
  return 0;
}

int run_reboot(BuiltinCall& call) {
  call.phone.ask_restart();
  return 0;
}

struct Entry {
  std::string_view name;
  Builtin run;
};

// In the order of the names.
constexpr std::array kBuiltins = std::to_array<Entry>({
    {":", run_true},
    {"am", run_am},
    {"cat", run_cat},
    {"cd", run_true},
    {"date", run_date},
    {"dumpsys", run_dumpsys},
    {"echo", run_echo},
    {"false", run_false},
    {"getprop", run_getprop},
    {"id", run_id},
    {"input", run_input},
    {"ls", run_ls},
    {"pm", run_pm},
    {"pwd", run_pwd},
    {"reboot", run_reboot},
    {"setprop", run_setprop},
    {"settings", run_settings},
    {"true", run_true},
    {"uname", run_uname},
    {"whoami", run_whoami},
    {"wm", run_wm},
});

}  // namespace

Builtin find_builtin(std::string_view name) {
  const auto found =
      std::lower_bound(kBuiltins.begin(), kBuiltins.end(), name,
                       [](const Entry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != kBuiltins.end() && found->name == name ? found->run : nullptr;
}

}  // namespace drover::sim
