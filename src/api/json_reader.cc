#include "api/json_reader.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <limits>
#include <utility>

namespace drover::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 16;

// What the parser meets, brought to the members' targets.
class Handler {
 public:
  // The parser's own limits are not needed: the body has one.
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  explicit Handler(std::span<const Member> members) : members_(members) {}

  const std::string& refusal() const { return refusal_; }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code& error) {
    if (skipping()) return enter_skipped();
    switch (place_) {
      case Place::kStart:
        place_ = Place::kObject;
        return true;
      case Place::kRecords:
        begin_record();
        return true;
      default:
        return unexpected(error);
    }
  }

  bool on_object_end(std::size_t, json::error_code&) {
    if (skipped_ > 0) {
      --skipped_;
    } else if (place_ == Place::kRecord) {
      place_ = Place::kRecords;
    }
    return true;
  }

  bool on_array_begin(json::error_code& error) {
    if (skipping()) return enter_skipped();
    if (place_ != Place::kObject) return unexpected(error);
    if (auto* const* list = target<StringList*>()) {
      begin(**list, (*list)->items);
      place_ = Place::kStrings;
      return true;
    }
    if (auto* const* list = target<RecordList*>()) {
      begin(**list, (*list)->values);
      place_ = Place::kRecords;
      return true;
    }
    return unexpected(error);
  }

  bool on_array_end(std::size_t, json::error_code&) {
    if (skipped_ > 0) {
      --skipped_;
    } else {
      place_ = Place::kObject;
    }
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    if (skipped_ == 0) key_.append(part.data(), part.size());
    return true;
  }

  bool on_key(json::string_view part, std::size_t size, json::error_code& error) {
    on_key_part(part, size, error);
    if (skipped_ > 0) return true;
    if (place_ == Place::kRecord) {
      find_field();
    } else {
      find_member();
    }
    key_.clear();
    return true;
  }

  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    if (!skipping()) text_.append(part.data(), part.size());
    return true;
  }

  bool on_string(json::string_view part, std::size_t size, json::error_code& error) {
    if (skipping()) return true;
    on_string_part(part, size, error);
    std::string value = std::exchange(text_, {});
    switch (place_) {
      case Place::kStrings: {
        StringList& list = **target<StringList*>();
        if (list.count++ < list.max) list.items.push_back(std::move(value));
        return true;
      }
      case Place::kRecord: {
        RecordList& list = **target<RecordList*>();
        if (list.count <= list.max)
          list.values[list.values.size() - list.names.size() + *field_] = std::move(value);
        return true;
      }
      case Place::kObject:
        if (auto* const* text = target<std::optional<std::string>*>()) {
          **text = std::move(value);
          return true;
        }
        return unexpected(error);
      default:
        return unexpected(error);
    }
  }

  bool on_number_part(json::string_view, json::error_code&) { return true; }

  bool on_int64(std::int64_t value, json::string_view, json::error_code& error) {
    return scalar<std::optional<std::int64_t>*>(value, error);
  }

  bool on_uint64(std::uint64_t, json::string_view, json::error_code& error) {
    return scalar<std::optional<std::int64_t>*>(std::numeric_limits<std::int64_t>::max(), error);
  }

  bool on_double(double, json::string_view, json::error_code& error) {
    return skipping() || unexpected(error);
  }

  bool on_bool(bool value, json::error_code& error) { return scalar<std::optional<bool>*>(value, error); }

  bool on_null(json::error_code& error) { return skipping() || unexpected(error); }

  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  enum class Place {
    kStart,    // before the body's object
    kObject,   // in it
    kStrings,  // in the array of a StringList
    kRecords,  // in the array of a RecordList
    kRecord,   // in one of its objects
  };

  // The value that comes belongs to a member that nobody asked for.
  bool skipping() const {
    if (skipped_ > 0) return true;
    if (place_ == Place::kObject) return member_ == nullptr;
    return place_ == Place::kRecord && !field_;
  }

  bool enter_skipped() {
    ++skipped_;
    return true;
  }

  // Of a repeated member the last one counts.
  template <typename List, typename Values>
  static void begin(List& list, Values& values) {
    list.present = true;
    list.count = 0;
    values.clear();
  }

  template <typename Target>
  const Target* target() const {
    return std::get_if<Target>(&member_->target);
  }

  template <typename Target, typename Value>
  bool scalar(Value value, json::error_code& error) {
    if (skipping()) return true;
    if (place_ == Place::kObject) {
      if (auto* const* to = target<Target>()) {
        **to = value;
        return true;
      }
    }
    return unexpected(error);
  }

  void find_member() {
    member_ = nullptr;
    for (const Member& member : members_) {
      if (member.name == key_) member_ = &member;
    }
  }

  void find_field() {
    field_.reset();
    const RecordList& list = **target<RecordList*>();
    for (std::size_t i = 0; i < list.names.size(); ++i) {
      if (list.names[i] == key_) field_ = i;
    }
  }

  void begin_record() {
    RecordList& list = **target<RecordList*>();
    if (list.count++ < list.max) list.values.resize(list.values.size() + list.names.size());
    place_ = Place::kRecord;
    field_.reset();
  }

  bool unexpected(json::error_code& error) {
    refusal_ = expectation();
    error = make_error_code(json::error::not_exact);
    return false;
  }

  // What should have stood where something else was met.
  std::string expectation() const {
    if (place_ == Place::kStart) return "the body must be a JSON object";
    std::string name(member_->name);
    switch (place_) {
      case Place::kStrings:
        return name + "[" + std::to_string((*target<StringList*>())->count) + "] must be a string";
      case Place::kRecords:
        return name + "[" + std::to_string((*target<RecordList*>())->count) + "] must be an object";
      case Place::kRecord: {
        const RecordList& list = **target<RecordList*>();
        return name + "[" + std::to_string(list.count - 1) + "]." + std::string(list.names[*field_]) +
               " must be a string";
      }
      default:
        break;
    }
    static constexpr std::string_view kTypes[] = {"a string", "an integer", "true or false",
                                                  "an array of strings", "an array of objects"};
    return name + " must be " + std::string(kTypes[member_->target.index()]);
  }

  std::span<const Member> members_;
  Place place_ = Place::kStart;
  const Member* member_ = nullptr;    // whose value comes; null: nobody asked for it
  std::optional<std::size_t> field_;  // the same within a record
  std::size_t skipped_ = 0;           // levels within a value that nobody asked for
  std::string key_;
  std::string text_;
  std::string refusal_;
};

std::string why_not_json(const json::error_code& error) {
  if (error == json::error::too_deep) return "the body must not be nested deeper than 16 levels";
  if (error == json::error::incomplete) return "the body must be a whole JSON object: it ends too early";
  return "the body must be JSON in UTF-8: " + error.message();
}

}  // namespace

Checked<> read_json_object(std::string_view body, std::span<const Member> members) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<Handler> parser(options, members);
  json::error_code error;
  const std::size_t used = parser.write_some(false, body.data(), body.size(), error);
  if (error) {
    const std::string& refusal = parser.handler().refusal();
    return bad_parameter(refusal.empty() ? why_not_json(error) : refusal);
  }
  if (used < body.size()) return bad_parameter("the body must be one JSON object: something follows it");
  return {};
}

}  // namespace drover::api
