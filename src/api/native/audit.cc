// /api/v1/audit: who did what.
#include <limits>
#include <optional>
#include <utility>

#include "api/json_writer.h"
#include "api/native/native.h"
#include "api/rules.h"
#include "api/times.h"

namespace drover::api::native {
namespace {

constexpr std::int64_t kMostEntries = 1'000;  // in one answer
constexpr std::int64_t kUsualEntries = 100;

// 2026-11-23T21:05:00Z, or with milliseconds, as entries show it.
std::optional<std::int64_t> parse_time(std::string_view text) {
  constexpr std::size_t kPoint = 19;
  constexpr std::string_view kDigits = "0123456789";
  if (text.size() != kPoint + 5 || text[kPoint] != '.') return parse_utc(text, 'T', "Z");
  const std::string_view millis = text.substr(kPoint + 1, 3);
  const auto seconds = parse_utc(text.substr(0, kPoint), 'T', "");
  if (!seconds || text.back() != 'Z' || millis.find_first_not_of(kDigits) != std::string_view::npos)
    return std::nullopt;
  const int fraction = (millis[0] - '0') * 100 + (millis[1] - '0') * 10 + (millis[2] - '0');
  return *seconds + fraction;
}

// The parameter's time in milliseconds; 0 if it is missing.
Checked<std::int64_t> query_time(const http::Request& request, std::string_view name) {
  const auto text = request.query(name);
  if (!text) return 0;
  const auto time = parse_time(*text);
  if (!time || *time < 0)
    return bad_parameter(std::string(name) + " must be a UTC time of the form 2026-11-23T21:05:00Z");
  return *time;
}

// Whose entries are asked for: a node administrator's are everybody's, with `project` that project's; others
// have their own project's only.
Checked<std::optional<std::int64_t>> query_project(const identity::Identity& identity,
                                                   const http::Request& request, const Caller& caller) {
  const auto name = request.query("project");
  if (!name && caller.who->node_admin) return std::nullopt;
  if (!name) return caller.project();
  const auto project = identity.project(*name);
  if (caller.who->node_admin && !project) return tl::unexpected(not_found("no such project"));
  if (!caller.who->node_admin && (!project || project->seq != caller.project()))
    return tl::unexpected(Refusal{403, code::kNotAllowed, "another project's log is not for this role"});
  return project->seq;
}

Checked<store::AuditQuery> parse_query(const identity::Identity& identity, const http::Request& request,
                                       const Caller& caller) {
  const auto after = query_integer(request, "after", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (!after) return tl::unexpected(after.error());
  const auto limit = query_integer(request, "limit", kUsualEntries, 1, kMostEntries);
  if (!limit) return tl::unexpected(limit.error());
  const auto from = query_time(request, "from");
  if (!from) return tl::unexpected(from.error());
  const auto until = query_time(request, "until");
  if (!until) return tl::unexpected(until.error());
  const auto project = query_project(identity, request, caller);
  if (!project) return tl::unexpected(project.error());
  return store::AuditQuery{.after = *after,
                           .project = *project,
                           .from_ms = *from,
                           .until_ms = *until,
                           .limit = static_cast<std::uint32_t>(*limit)};
}

void append_entry(JsonWriter& json, const identity::Identity& identity, const store::AuditEntry& entry) {
  json.open_object().number("seq", entry.seq).time("at", entry.at_ms).text("actor", entry.actor);
  json.text("address", entry.address).text("request_id", entry.request_id);
  if (entry.project == 0) {
    json.null("project");
  } else {
    json.text("project", identity.project_name(entry.project));
  }
  json.text("action", entry.action).text("subject", entry.subject).open_array("instances");
  for (const std::string& id : entry.instances) json.item(id);
  json.close_array().number("status", entry.status).text("message", entry.message).close_object();
}

std::string entries_body(const identity::Identity& identity, const std::vector<store::AuditEntry>& entries) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("entries");
  for (const store::AuditEntry& entry : entries) append_entry(json, identity, entry);
  json.close_array();
  // Large entries make short answers: the end is where nothing comes.
  if (entries.empty()) {
    json.null("next");
  } else {
    json.number("next", entries.back().seq);
  }
  json.close_object();
  return body;
}

void show_audit(Services& services, const http::Request& request, const http::Responder& respond,
                const Caller& caller) {
  const auto query = parse_query(services.identity, request, caller);
  if (!query) return respond(refuse(query.error()));
  services.store.read_audit(*query, [&services, respond](Result<std::vector<store::AuditEntry>> entries) {
    if (!entries) return respond(refuse(refusal_of(entries.error())));
    services.loop.post([&services, respond, entries = *std::move(entries)] {
      respond(json_answer(entries_body(services.identity, entries)));
    });
  });
}

}  // namespace

void add_audit_routes(Routes& routes) {
  routes.add(http::Method::kGet, "/api/v1/audit", may_or_administrator(identity::Action::kReadAudit),
             show_audit, Needs::kTurn);
}

}  // namespace drover::api::native
