// What may be allowed or denied. The names of KooPhone's actions are the service's own, so that policies
// written for it mean the same here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace drover::identity {

enum class Action : std::uint8_t {
  // koophone:cloudphoneResource:
  kAsyncCommand,
  kSyncCommand,
  kReadTask,
  kQueryStatus,
  kListInstances,
  kReboot,
  kInstallApp,
  kBackup,
  kQuerySku,
  // drover:
  kPutInstance,
  kRemoveInstance,
  kCancelTask,
  kReadAudit,
};
inline constexpr std::size_t kActions = 13;

// "koophone:cloudphoneResource:asyncInvokeInstance".
std::string_view name_of(Action action);
std::optional<Action> find_action(std::string_view name);

// It only asks, and changes nothing. Reading the audit log is none: the read-only role does not have it.
bool is_query(Action action);

}  // namespace drover::identity
