#include "sim/android.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/phone.h"

namespace drover::sim {
namespace {

using Text = std::string_view;

struct Property {
  Text key;
  Text value;
};

// In the order of the keys. The few that differ from phone to phone are in own_property().
constexpr std::array kProperties = std::to_array<Property>({
    {"dalvik.vm.heapsize", "512m"},
    {"gsm.sim.state", "ABSENT"},
    {"init.svc.adbd", "running"},
    {"persist.sys.locale", "en-US"},
    {"persist.sys.timezone", "Etc/UTC"},
    {"ro.board.platform", "sim"},
    {"ro.boot.bootreason", "reboot"},
    {"ro.boot.serialno", ""},
    {"ro.build.characteristics", "default"},
    {"ro.build.date.utc", "1700000000"},
    {"ro.build.display.id", "UP1A.231005.007"},
    {"ro.build.fingerprint", "drover/drover_sim/sim:14/UP1A.231005.007/1:user/release-keys"},
    {"ro.build.id", "UP1A.231005.007"},
    {"ro.build.tags", "release-keys"},
    {"ro.build.type", "user"},
    {"ro.build.version.incremental", "1"},
    {"ro.build.version.release", "14"},
    {"ro.build.version.sdk", "34"},
    {"ro.build.version.security_patch", "2023-10-05"},
    {"ro.debuggable", "0"},
    {"ro.hardware", "sim"},
    {"ro.product.board", "sim"},
    {"ro.product.brand", "drover"},
    {"ro.product.cpu.abi", "arm64-v8a"},
    {"ro.product.cpu.abilist", "arm64-v8a"},
    {"ro.product.device", kDevice},
    {"ro.product.locale", "en-US"},
    {"ro.product.manufacturer", "Drover"},
    {"ro.product.model", kModel},
    {"ro.product.name", kProduct},
    {"ro.secure", "1"},
    {"ro.serialno", ""},
    {"ro.sf.lcd_density", "420"},
    {"sys.boot_completed", "1"},
    {"sys.usb.state", "adb"},
});

// A phone with the fault `legacy` says that it is an Android 6.
constexpr std::array kLegacyProperties = std::to_array<Property>({
    {"ro.build.version.release", "6.0.1"},
    {"ro.build.version.sdk", "23"},
});

bool is_serial(Text key) { return key == "ro.serialno" || key == "ro.boot.serialno"; }

constexpr std::array kPackages = std::to_array<Package>({
    {"android", "/system/framework/framework-res.apk", false},
    {"com.android.chrome", "/product/app/Chrome/Chrome.apk", false},
    {"com.android.phone", "/system/priv-app/TeleService/TeleService.apk", false},
    {"com.android.providers.settings", "/system/priv-app/SettingsProvider/SettingsProvider.apk", false},
    {"com.android.settings", "/system_ext/priv-app/Settings/Settings.apk", false},
    {"com.android.shell", "/system/priv-app/Shell/Shell.apk", false},
    {"com.android.systemui", "/system_ext/priv-app/SystemUI/SystemUI.apk", false},
    {"com.example.agent", "/data/app/~~c2ltMQ==/com.example.agent-c2lt/base.apk", true},
    {"com.example.player", "/data/app/~~c2ltMg==/com.example.player-c2lt/base.apk", true},
});

struct Directory {
  Text path;
  std::vector<Text> names;
};

const std::vector<Directory>& directories() {
  static const std::vector<Directory> kDirectories = {
      {"/", {"bin", "data", "dev", "etc", "proc", "product", "sdcard", "storage", "sys", "system", "vendor"}},
      {"/data", {"local"}},
      {"/data/local", {"tmp"}},
      {"/data/local/tmp", {}},
      {"/dev", {"null"}},
      {"/proc", {"cpuinfo", "loadavg", "meminfo", "sys", "uptime", "version"}},
      {"/proc/sys", {"kernel"}},
      {"/proc/sys/kernel", {"random"}},
      {"/proc/sys/kernel/random", {"boot_id"}},
      {"/sdcard", {"Android", "DCIM", "Download", "Movies", "Music", "Pictures"}},
      {"/sdcard/Android", {}},
      {"/sdcard/DCIM", {}},
      {"/sdcard/Download", {}},
      {"/sdcard/Movies", {}},
      {"/sdcard/Music", {}},
      {"/sdcard/Pictures", {}},
      {"/system", {"app", "bin", "build.prop", "etc", "fonts", "framework", "lib64", "priv-app"}},
      {"/system/etc", {"hosts"}},
  };
  return kDirectories;
}

Text without_slash(Text path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

std::string build_prop(const Phone& phone) {
  std::string text = "# begin build properties\n";
  for (const Property& each : kProperties) {
    if (!each.key.starts_with("ro.") || is_serial(each.key)) continue;
    text += fmt::format("{}={}\n", each.key, property(phone, each.key));
  }
  return text;
}

}  // namespace

std::string property(const Phone& phone, Text key) {
  if (phone.settings() != nullptr) {
    if (const auto set = phone.settings()->find(key); set != phone.settings()->end()) return set->second;
  }
  if (is_serial(key)) return phone.serial();
  if (phone.faults().has(FaultKind::kLegacy)) {
    for (const Property& each : kLegacyProperties) {
      if (each.key == key) return std::string(each.value);
    }
  }
  const auto found = std::lower_bound(kProperties.begin(), kProperties.end(), key,
                                      [](const Property& each, Text wanted) { return each.key < wanted; });
  return found != kProperties.end() && found->key == key ? std::string(found->value) : std::string();
}

std::vector<std::pair<std::string, std::string>> properties(const Phone& phone) {
  std::vector<std::pair<std::string, std::string>> all;
  all.reserve(kProperties.size());
  for (const Property& each : kProperties) all.emplace_back(each.key, property(phone, each.key));
  if (phone.settings() != nullptr) {
    for (const auto& [key, value] : *phone.settings()) {
      if (key.find('/') == std::string::npos) all.emplace_back(key, value);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::optional<std::string> read_file(const Phone& phone, Text path) {
  if (path == "/dev/null") return std::string();
  if (path == "/system/build.prop") return build_prop(phone);
  if (path == "/system/etc/hosts" || path == "/etc/hosts")
    return "127.0.0.1       localhost\n::1             ip6-localhost\n";
  if (path == "/proc/version") {
    return "Linux version 5.10.157-android13-4 (build-user@build-host) (Android clang version 14.0.7) "
           "#1 SMP PREEMPT Thu Oct 5 00:00:00 UTC 2023\n";
  }
  if (path == "/proc/sys/kernel/random/boot_id") return phone.boot_id() + "\n";
  if (path == "/proc/uptime") {
    const double uptime = phone.uptime_seconds();
    return fmt::format("{:.2f} {:.2f}\n", uptime, uptime * 7.5);  // the second: idle time, over eight cores
  }
  if (path == "/proc/loadavg") return "0.52 0.58 0.59 1/1203 4242\n";
  if (path == "/proc/meminfo") {
    return "MemTotal:        7824372 kB\nMemFree:          412344 kB\nMemAvailable:    3911032 kB\n";
  }
  if (path == "/proc/cpuinfo") {
    std::string text;
    for (int core = 0; core < 8; ++core) text += fmt::format("processor\t: {}\nBogoMIPS\t: 38.40\n\n", core);
    return text;
  }
  return std::nullopt;
}

std::optional<std::vector<Text>> list_directory(Text path) {
  path = without_slash(path);
  for (const Directory& directory : directories()) {
    if (directory.path == path) return directory.names;
  }
  return std::nullopt;
}

std::span<const Package> packages() { return kPackages; }

}  // namespace drover::sim
