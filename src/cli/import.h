// Lists of instances that come from files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/labels.h"

namespace drover::cli {

struct NewInstance {
  std::string instance_id;
  std::string address;
  std::optional<Labels> labels = {};  // nothing: those of a known instance stay as they are
};

// kUsage names the field and its rule.
Result<> check_instance(std::string_view id, std::string_view address);

// CSV: `instance_id,address` or `instance_id,address,labels` a line, labels being KEY=VALUE;KEY=VALUE, with
// or without that line as its header; empty lines are passed over. JSON:
// [{"instance_id":"...","address":"adb://HOST:PORT","labels":{"KEY":"VALUE"}}, ...], labels or not, also as
// {"instances":[...]}; further members of an instance are passed over, so that what `drover instances list
// --json` prints can be read.
//
// kUsage names the file, the line and the rule of the first instance that is wrong or there twice.
Result<std::vector<NewInstance>> parse_instances(std::string_view text, const std::string& file);

// The forms that parse_instances reads, without labels.
std::string instances_csv(const std::vector<NewInstance>& instances);
std::string instances_json(const std::vector<NewInstance>& instances);

}  // namespace drover::cli
