// batch-query: which instances are asked for, and the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer.h"
#include "fleet/phone.h"
#include "http/message.h"

namespace drover::api::koophone {

// Everything comes as query parameters. Drover's instances have no other name than their id, no scenes but
// CLOUD_PHONE, and no node groups.
struct InstanceQuery {
  std::int64_t page_no = 1;
  std::int64_t page_size = 1;
  std::string id;                        // this one; empty: any
  std::string name_part;                 // within the name
  std::optional<std::int64_t> from_ms;   // added then or later
  std::optional<std::int64_t> until_ms;  // added before that
  bool descending = false;               // by id
  bool none = false;                     // asked for something that no instance here can be
};

// Refuses with 400: page_no must be an integer from 1, page_size from 1 to 1,000, the times of the form
// `2023-08-15 14:30:45` (UTC), order asc or desc, pool_scene_tag CLOUD_PHONE or CLOUD_APP.
Checked<InstanceQuery> parse_instance_query(const http::Request& request);

struct ProjectNames {
  std::string_view id;
  std::string_view name;
};

// `phones`: all of the project that the caller may know of, by id.
std::string instance_list_answer(const InstanceQuery& query, const std::vector<fleet::PhoneView>& phones,
                                 const ProjectNames& project);

// batch-query-status's number for an instance; nothing means there is none.
int status_number(std::optional<fleet::LinkState> state);

}  // namespace drover::api::koophone
