// What Keystone's operations answer, in the form of its Identity API v3
// (docs.openstack.org/api-ref/identity). `base` is where the client reaches this server: "https://host:port",
// without a slash at its end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer.h"
#include "identity/views.h"
#include "store/types.h"

namespace drover::api::keystone {

// "2026-11-25T03:21:33.123000Z": six digits, which Keystone's clients insist on.
std::string keystone_time(std::int64_t unix_ms);

// Stands for a role, a service or an endpoint, which have names here and no ids: 32 lower-case hex digits,
// the same on every server for the same kind and name.
std::string made_id(std::string_view kind, std::string_view name);

enum class Catalog { kShown, kLeftOut };

// {"token":{...}}. What is of the project is left out of an unscoped one.
std::string token_answer(const identity::SessionView& session, std::string_view base, Catalog catalog);
// {"catalog":[...]}: Keystone's own interface under "identity", KooPhone's and Drover's under "koophone".
// `project`: the caller's; empty: none.
std::string catalog_answer(std::string_view base, std::string_view project);

// {"projects":[...]}; `path` is what was asked for, without the query.
std::string projects_answer(const std::vector<store::Project>& projects, std::string_view base,
                            std::string_view path);
std::string project_answer(const store::Project& project, std::string_view base);
// The one domain that there is.
std::string domains_answer(std::string_view base);

// Of GET /: which versions there are. Of GET /v3: that one.
std::string versions_answer(std::string_view base);
std::string version_answer(std::string_view base);

// Keystone's form of a refusal and the server's own in one: {"error":{"code":401,"title":"Unauthorized",
// "message":"..."},"error_code":"...","error_msg":"..."}.
std::string error_answer(const Refusal& refusal);

}  // namespace drover::api::keystone
