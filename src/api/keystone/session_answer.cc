#include "api/keystone/session_answer.h"

#include "api/json_writer.h"
#include "base/clock.h"
#include "base/id.h"
#include "identity/secret.h"

namespace drover::api::keystone {
namespace {

constexpr std::string_view kDomainId = "default";
constexpr std::string_view kDomainName = "Default";
constexpr std::string_view kRegion = "RegionOne";  // what OpenStack's own tools expect where there is one
constexpr std::string_view kVersion = "v3.14";     // the first with all that is answered here

void append_domain(JsonWriter& json) {
  json.open_object("domain").text("id", kDomainId).text("name", kDomainName).close_object();
}

std::string joined(std::string_view base, std::string_view path, std::string_view last = {}) {
  std::string url(base);
  return url.append(path).append(last);
}

// There is one region. The service names projects after its regions, and clients look for endpoints in the
// one they know: so it has the project's name, too.
void append_service(JsonWriter& json, std::string_view type, std::string_view name, std::string_view url,
                    std::string_view project) {
  json.open_object().text("id", made_id("service", type)).text("type", type).text("name", name);
  json.open_array("endpoints");
  for (const std::string_view region : {kRegion, project}) {
    if (region.empty()) continue;
    for (const std::string_view interface : {"public", "internal", "admin"}) {
      const std::string place = std::string(type).append("/").append(region).append("/").append(interface);
      json.open_object().text("id", made_id("endpoint", place)).text("interface", interface);
      json.text("region", region).text("region_id", region).text("url", url).close_object();
    }
  }
  json.close_array().close_object();
}

void append_catalog(JsonWriter& json, std::string_view base, std::string_view project) {
  json.open_array("catalog");
  append_service(json, "identity", "keystone", joined(base, "/v3"), project);
  append_service(json, "koophone", "drover", base, project);
  json.close_array();
}

// `next` and `previous` are of pages, of which there is always one.
void append_list_links(JsonWriter& json, std::string_view url) {
  json.open_object("links").null("next").text("self", url).null("previous").close_object();
}

// The members that a project and the domain have in common.
void append_common(JsonWriter& json, std::string_view id, std::string_view name, std::string_view url) {
  json.text("id", id).text("name", name).text("description", "").boolean("enabled", true);
  json.open_array("tags").close_array().open_object("options").close_object();
  json.open_object("links").text("self", url).close_object();
}

void append_project(JsonWriter& json, const store::Project& project, std::string_view base) {
  append_common(json, project.id, project.name, joined(base, "/v3/projects/", project.id));
  json.text("domain_id", kDomainId).text("parent_id", kDomainId).boolean("is_domain", false);
}

void append_version(JsonWriter& json, std::string_view base) {
  json.text("id", kVersion).text("status", "stable").text("updated", "2020-04-07T00:00:00Z");
  json.open_array("links").open_object().text("rel", "self").text("href", joined(base, "/v3/"));
  json.close_object().close_array();
  json.open_array("media-types").open_object().text("base", "application/json");
  json.text("type", "application/vnd.openstack.identity-v3+json").close_object().close_array();
}

std::string_view title_of(unsigned status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

}  // namespace

std::string keystone_time(std::int64_t unix_ms) {
  std::string text = format_utc(unix_ms, true);
  return text.insert(text.size() - 1, "000");
}

std::string made_id(std::string_view kind, std::string_view name) {
  const auto digest = identity::Hasher()(std::string(kind).append(":").append(name));
  const identity::Digest bytes = digest.value_or(identity::Digest{});
  return to_hex({reinterpret_cast<const char*>(bytes.data()), 16});
}

std::string token_answer(const identity::SessionView& session, std::string_view base, Catalog catalog) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("token");
  json.open_array("methods").item("password").close_array();
  json.open_object("user").text("id", session.user_id).text("name", session.user);
  append_domain(json);
  json.null("password_expires_at").close_object();
  if (!session.project_id.empty()) {
    json.open_object("project").text("id", session.project_id).text("name", session.project);
    append_domain(json);
    json.close_object().boolean("is_domain", false).open_array("roles");
    for (const std::string& role : session.roles)
      json.open_object().text("id", made_id("role", role)).text("name", role).close_object();
    json.close_array();
    if (catalog == Catalog::kShown) append_catalog(json, base, session.project);
  }
  json.text("expires_at", keystone_time(session.expires_ms))
      .text("issued_at", keystone_time(session.issued_ms));
  json.open_array("audit_ids").item(session.audit_id).close_array();
  json.close_object().close_object();
  return body;
}

std::string catalog_answer(std::string_view base, std::string_view project) {
  std::string body;
  JsonWriter json(body);
  json.open_object();
  append_catalog(json, base, project);
  append_list_links(json, joined(base, "/v3/auth/catalog"));
  json.close_object();
  return body;
}

std::string projects_answer(const std::vector<store::Project>& projects, std::string_view base,
                            std::string_view path) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("projects");
  for (const store::Project& project : projects) {
    json.open_object();
    append_project(json, project, base);
    json.close_object();
  }
  json.close_array();
  append_list_links(json, joined(base, path));
  json.close_object();
  return body;
}

std::string project_answer(const store::Project& project, std::string_view base) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("project");
  append_project(json, project, base);
  json.close_object().close_object();
  return body;
}

std::string domains_answer(std::string_view base) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array("domains").open_object();
  append_common(json, kDomainId, kDomainName, joined(base, "/v3/domains/", kDomainId));
  json.close_object().close_array();
  append_list_links(json, joined(base, "/v3/auth/domains"));
  json.close_object();
  return body;
}

std::string versions_answer(std::string_view base) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("versions").open_array("values").open_object();
  append_version(json, base);
  json.close_object().close_array().close_object().close_object();
  return body;
}

std::string version_answer(std::string_view base) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("version");
  append_version(json, base);
  json.close_object().close_object();
  return body;
}

std::string error_answer(const Refusal& refusal) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_object("error").number("code", refusal.status);
  json.text("title", title_of(refusal.status)).text("message", refusal.message).close_object();
  json.text("error_code", refusal.code).text("error_msg", refusal.message).close_object();
  return body;
}

}  // namespace drover::api::keystone
