#include "identity/action.h"

#include <algorithm>
#include <array>

namespace drover::identity {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kActions> kNames{
    "koophone:cloudphoneResource:asyncInvokeInstance",
    "koophone:cloudphoneResource:syncInvokeInstance",
    "koophone:cloudphoneResource:queryExecuteJob",
    "koophone:cloudphoneResource:queryBatchShowInstance",
    "koophone:cloudphoneResource:queryInstanceBatch",
    "koophone:cloudphoneResource:instanceReboot",
    "koophone:cloudphoneResource:instanceAppInstall",
    "koophone:cloudphoneResource:instanceBackup",
    "koophone:cloudphoneResource:querySku",
    "drover:instance:put",
    "drover:instance:remove",
    "drover:task:cancel",
    "drover:audit:read",
};

}  // namespace

std::string_view name_of(Action action) { return kNames[static_cast<std::size_t>(action)]; }

std::optional<Action> find_action(std::string_view name) {
  const auto it = std::ranges::find(kNames, name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<Action>(it - kNames.begin());
}

bool is_query(Action action) {
  return action == Action::kReadTask || action == Action::kQueryStatus || action == Action::kListInstances ||
         action == Action::kQuerySku;
}

}  // namespace drover::identity
