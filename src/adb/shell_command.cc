#include "adb/shell_command.h"

#include <array>

#include "base/id.h"

namespace drover::adb {
namespace {

constexpr std::string_view kLegacyPrefix = "shell:exec </dev/null;echo drover:$$;trap 'echo ";
constexpr std::string_view kLegacyMiddle = "$?' 0\n(:;";
constexpr std::string_view kLegacySuffix = "\n)";
constexpr std::string_view kMarkerTag = "drover-";
constexpr std::size_t kMarkerRandom = 8;  // bytes, written as two digits each
constexpr std::size_t kMarkerSize = kMarkerTag.size() + 2 * kMarkerRandom + 1;

}  // namespace

std::string shell_v2_service(std::string_view command) {
  std::string service;
  service.reserve(kShellV2Prefix.size() + command.size());
  return service.append(kShellV2Prefix).append(command);
}

std::string legacy_shell_service(std::string_view command, std::string_view marker) {
  std::string service;
  service.reserve(kLegacyPrefix.size() + marker.size() + kLegacyMiddle.size() + command.size() +
                  kLegacySuffix.size());
  return service.append(kLegacyPrefix)
      .append(marker)
      .append(kLegacyMiddle)
      .append(command)
      .append(kLegacySuffix);
}

std::string make_marker() {
  std::array<char, kMarkerRandom> random;
  fill_random(random.data(), random.size());
  return std::string(kMarkerTag).append(to_hex({random.data(), random.size()})).append(":");
}

std::string kill_service(std::uint32_t group, bool shell_v2) {
  const std::string id = std::to_string(group);
  std::string service(shell_v2 ? "shell,v2,raw:" : "shell:");
  return service.append("kill -TERM -").append(id).append(";sleep 1;kill -KILL -").append(id);
}

std::size_t max_command_size(std::uint32_t max_payload, bool shell_v2) {
  const std::size_t wrapper =
      shell_v2 ? kShellV2Prefix.size()
               : kLegacyPrefix.size() + kMarkerSize + kLegacyMiddle.size() + kLegacySuffix.size();
  const std::size_t with_nul = wrapper + 1;
  return max_payload > with_nul ? max_payload - with_nul : 0;
}

}  // namespace drover::adb
