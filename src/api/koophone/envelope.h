// The frame of KooPhone's answers.
#pragma once

#include "api/json_writer.h"

namespace drover::api::koophone {

// What says that the request went well.
inline void append_ok(JsonWriter& json) { json.text("error_code", "0").text("error_msg", "ok"); }

// Ends an answer whose `data` has been written.
inline void close_envelope(JsonWriter& json) {
  append_ok(json);
  json.close_object();
}

}  // namespace drover::api::koophone
