// A request's method as the server tells them apart. HEAD is routed like GET.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace drover::http {

enum class Verb : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOther };

inline Verb to_verb(std::string_view method) {
  if (method == "GET") return Verb::kGet;
  if (method == "POST") return Verb::kPost;
  if (method == "PUT") return Verb::kPut;
  if (method == "DELETE") return Verb::kDelete;
  if (method == "HEAD") return Verb::kHead;
  return Verb::kOther;
}

// Methods that no route can have share one name, so that clients cannot make up metrics.
inline const char* verb_name(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "GET";
    case Verb::kHead:
      return "HEAD";
    case Verb::kPost:
      return "POST";
    case Verb::kPut:
      return "PUT";
    case Verb::kDelete:
      return "DELETE";
    case Verb::kOther:
      break;
  }
  return "other";
}

// The method whose routes answer `verb`; nothing if none can.
inline std::optional<Method> routed_method(Verb verb) {
  switch (verb) {
    case Verb::kGet:
    case Verb::kHead:
      return Method::kGet;
    case Verb::kPost:
      return Method::kPost;
    case Verb::kPut:
      return Method::kPut;
    case Verb::kDelete:
      return Method::kDelete;
    case Verb::kOther:
      break;
  }
  return std::nullopt;
}

}  // namespace drover::http
