#include "api/koophone/instance_list.h"

#include <algorithm>
#include <utility>

#include "api/json_writer.h"
#include "api/koophone/envelope.h"
#include "api/rules.h"
#include "api/times.h"

namespace drover::api::koophone {
namespace {

constexpr std::int64_t kLargestPage = 1'000;
constexpr std::int64_t kLastPage = 1'000'000'000;

// The parameter's time; nothing if it is missing or empty.
Checked<std::optional<std::int64_t>> query_time(const http::Request& request, std::string_view name) {
  const auto text = request.query(name).value_or("");
  if (text.empty()) return std::nullopt;
  const auto time = parse_utc(text, ' ', "");
  if (!time) return bad_parameter(std::string(name) + " must be a UTC time of the form 2023-08-15 14:30:45");
  return time;
}

Checked<> parse_filters(const http::Request& request, InstanceQuery& query) {
  query.id = request.query("instance_id").value_or("");
  query.name_part = request.query("instance_name").value_or("");

  const std::string_view order = request.query("order").value_or("");
  if (!order.empty() && order != "asc" && order != "desc") return bad_parameter("order must be asc or desc");
  query.descending = order == "desc";

  const std::string_view scene = request.query("pool_scene_tag").value_or("");
  if (!scene.empty() && scene != "CLOUD_PHONE" && scene != "CLOUD_APP") {
    return bad_parameter("pool_scene_tag must be CLOUD_PHONE or CLOUD_APP");
  }
  query.none = scene == "CLOUD_APP" || !request.query("pool_name").value_or("").empty();

  const auto from = query_time(request, "query_start_time");
  if (!from) return tl::unexpected(from.error());
  query.from_ms = *from;
  const auto until = query_time(request, "query_end_time");
  if (!until) return tl::unexpected(until.error());
  // The whole of the second that is named.
  if (*until) query.until_ms = **until + 1000;
  return {};
}

bool matches(const InstanceQuery& query, const fleet::PhoneView& phone) {
  if (query.none) return false;
  if (!query.id.empty() && phone.id != query.id) return false;
  if (!query.name_part.empty() && phone.id.find(query.name_part) == std::string::npos) return false;
  if (query.from_ms && phone.created_ms < *query.from_ms) return false;
  return !query.until_ms || phone.created_ms < *query.until_ms;
}

// What Drover does not know of an instance is null.
void append_instance(JsonWriter& json, const fleet::PhoneView& phone, const ProjectNames& project) {
  json.open_object();
  json.text("instance_id", phone.id).text("instance_name", phone.id);
  for (const char* unknown : {"region", "instance_sku", "frozen_status"}) json.null(unknown);
  json.number("running_status", status_number(phone.state));
  for (const char* unknown : {"login_status", "assign_status", "assign_user", "billing_mode"})
    json.null(unknown);
  json.text("project_id", project.id).text("project_name", project.name);
  for (const char* unknown : {"phone_id", "member_name", "account_name", "region_name", "region_name_en",
                              "backup_status", "backup_time", "restore_status", "restore_time"}) {
    json.null(unknown);
  }
  json.close_object();
}

}  // namespace

Checked<InstanceQuery> parse_instance_query(const http::Request& request) {
  InstanceQuery query;
  const auto page_no = required_query_integer(request, "page_no", 1, kLastPage);
  if (!page_no) return tl::unexpected(page_no.error());
  query.page_no = *page_no;
  const auto page_size = required_query_integer(request, "page_size", 1, kLargestPage);
  if (!page_size) return tl::unexpected(page_size.error());
  query.page_size = *page_size;
  if (auto filters = parse_filters(request, query); !filters)
    return tl::unexpected(std::move(filters.error()));
  return query;
}

std::string instance_list_answer(const InstanceQuery& query, const std::vector<fleet::PhoneView>& phones,
                                 const ProjectNames& project) {
  std::vector<const fleet::PhoneView*> found;
  for (const fleet::PhoneView& phone : phones) {
    if (matches(query, phone)) found.push_back(&phone);
  }
  if (query.descending) std::reverse(found.begin(), found.end());

  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("data").open_array("result");
  const auto total = static_cast<std::int64_t>(found.size());
  const std::int64_t first = std::min((query.page_no - 1) * query.page_size, total);
  const std::int64_t last = std::min(first + query.page_size, total);
  for (std::int64_t i = first; i < last; ++i)
    append_instance(json, *found[static_cast<std::size_t>(i)], project);
  json.close_array();
  json.number("page_no", query.page_no).number("page_size", query.page_size).number("total_count", total);
  // In this answer alone these two are within `data`.
  append_ok(json);
  json.close_object().close_object();
  return body;
}

int status_number(std::optional<fleet::LinkState> state) {
  if (!state) return 0;
  switch (*state) {
    case fleet::LinkState::kOnline:
      return 2;
    case fleet::LinkState::kConnecting:
    case fleet::LinkState::kBooting:
      return 4;
    case fleet::LinkState::kOffline:
      return 1;
    case fleet::LinkState::kUnauthorized:
      return 0;
  }
  return 0;
}

}  // namespace drover::api::koophone
