// Projects, tokens, users and keys as /api/v1 shows them.
#pragma once

#include <string>

#include "api/answer.h"
#include "api/json_writer.h"
#include "identity/views.h"
#include "store/types.h"

namespace drover::api::native {

// The members of the object that shows it.
void append(JsonWriter& json, const store::Project& project);
void append(JsonWriter& json, const identity::TokenView& token);
void append(JsonWriter& json, const identity::UserView& user);
void append(JsonWriter& json, const identity::KeyView& key);

template <typename View>
http::Response list_answer(std::string_view name, const std::vector<View>& views) {
  std::string body;
  JsonWriter json(body);
  json.open_object().open_array(name);
  for (const View& view : views) {
    json.open_object();
    append(json, view);
    json.close_object();
  }
  json.close_array().close_object();
  return json_answer(std::move(body));
}

// With a secret that is shown this once, unless it is empty.
template <typename View>
http::Response answer_of(const View& view, std::string_view secret_name = {}, std::string_view secret = {}) {
  std::string body;
  JsonWriter json(body);
  json.open_object();
  append(json, view);
  if (!secret.empty()) json.text(secret_name, secret);
  json.close_object();
  return json_answer(std::move(body));
}

// What answers a change: `{}`, or why there is none.
inline auto done_answer(const http::Responder& respond) {
  return [respond](const Result<>& done) {
    respond(done ? json_answer("{}") : refuse(refusal_of(done.error())));
  };
}

}  // namespace drover::api::native
