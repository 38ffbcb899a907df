#include "api/json_reader.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <limits>
#include <type_traits>
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
      case Place::kObject:
        if (auto* const* map = target<TextMap*>()) return begin_map(**map, Place::kObject);
        return enter_inner(error);
      case Place::kRecord:
        if (in_map_field()) return begin_map(record_map(), Place::kRecord);
        return unexpected(error);
      default:
        return unexpected(error);
    }
  }

  bool on_object_end(std::size_t, json::error_code&) {
    if (skipped_ > 0) {
      --skipped_;
    } else if (place_ == Place::kRecord) {
      place_ = Place::kRecords;
    } else if (place_ == Place::kMap) {
      place_ = around_map_;
    } else if (!path_.empty()) {
      path_.pop_back();
      path_.resize(path_.rfind('.') + 1);
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
    if (place_ == Place::kMap) return true;  // the key is kept until its value comes
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
      case Place::kRecord:
        return !in_map_field() ? set_field(std::move(value)) : unexpected(error);
      case Place::kMap:
        add_to_map(std::move(value));
        return true;
      case Place::kObject:
        if (auto* const* text = target<std::optional<std::string>*>()) {
          **text = std::move(value);
          return true;
        }
        if (auto* const* text = target<NullableText*>()) {
          **text = {true, std::move(value)};
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

  bool on_null(json::error_code& error) {
    if (skipping()) return true;
    if (place_ == Place::kObject) {
      if (auto* const* text = target<NullableText*>()) {
        **text = {true, std::nullopt};
        return true;
      }
      if (!inner_.empty() || target<AnyObject*>() != nullptr) return true;
    }
    if (place_ == Place::kRecord && !in_map_field()) {
      const RecordList& list = **target<RecordList*>();
      if (list.names[*field_] == list.nullable) return set_field(std::nullopt);
    }
    return unexpected(error);
  }

  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  enum class Place {
    kStart,    // before the body's object
    kObject,   // in it
    kStrings,  // in the array of a StringList
    kRecords,  // in the array of a RecordList
    kRecord,   // in one of its objects
    kMap,      // in a TextMap
  };

  // The value that comes belongs to a member that nobody asked for.
  bool skipping() const {
    if (skipped_ > 0) return true;
    if (place_ == Place::kObject) return member_ == nullptr && inner_.empty();
    return place_ == Place::kRecord && !field_;
  }

  bool enter_skipped() {
    ++skipped_;
    return true;
  }

  bool enter_inner(json::error_code& error) {
    auto* const* object = target<AnyObject*>();
    if (object == nullptr && inner_.empty()) return unexpected(error);
    if (object != nullptr) (*object)->present = true;
    if (inner_.empty()) return enter_skipped();
    path_ = std::exchange(inner_, {});
    return true;
  }

  // Of a repeated member the last one counts.
  template <typename List, typename Values>
  static void begin(List& list, Values& values) {
    list.present = true;
    list.count = 0;
    values.clear();
    if constexpr (std::is_same_v<List, RecordList>) {
      list.nulls.clear();
      list.maps.clear();
    }
  }

  template <typename Target>
  const Target* target() const {
    return member_ == nullptr ? nullptr : std::get_if<Target>(&member_->target);
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
    inner_.clear();
    if (key_.find('.') != std::string::npos) return;  // it would look like a path
    for (const Member& member : members_) {
      std::string_view name = member.name;
      if (!name.starts_with(path_)) continue;
      name.remove_prefix(path_.size());
      if (name == key_) {
        member_ = &member;
      } else if (name.starts_with(key_) && name[key_.size()] == '.') {
        inner_ = path_ + key_ + '.';
      }
    }
  }

  void find_field() {
    field_.reset();
    const RecordList& list = **target<RecordList*>();
    for (std::size_t i = 0; i < list.names.size(); ++i) {
      if (list.names[i] == key_) field_ = i;
    }
    if (!list.map.empty() && list.map == key_) field_ = list.names.size();
  }

  bool in_map_field() const { return *field_ == (*target<RecordList*>())->names.size(); }

  // Nothing: null.
  bool set_field(std::optional<std::string> value) {
    RecordList& list = **target<RecordList*>();
    if (list.count > list.max) return true;
    if (list.names[*field_] == list.nullable) {
      list.nulls.resize(list.count);
      list.nulls.back() = !value;
    }
    list.values[list.values.size() - list.names.size() + *field_] = std::move(value);
    return true;
  }

  // Of the record that comes.
  TextMap& record_map() {
    RecordList& list = **target<RecordList*>();
    list.maps.resize(std::min(list.count, list.max));
    return list.maps.back();
  }

  bool begin_map(TextMap& map, Place around) {
    map.present = true;
    map.count = 0;
    map.items.clear();
    map_ = &map;
    around_map_ = around;
    place_ = Place::kMap;
    return true;
  }

  // Of a repeated key the last value counts.
  void add_to_map(std::string value) {
    std::string name = std::exchange(key_, {});
    if (++map_->count > map_->max) return;
    map_->items.insert_or_assign(std::move(name), std::move(value));
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
    std::string name(member_ != nullptr ? member_->name
                                        : std::string_view(inner_).substr(0, inner_.size() - 1));
    switch (place_) {
      case Place::kStrings:
        return name + "[" + std::to_string((*target<StringList*>())->count) + "] must be a string";
      case Place::kRecords:
        return name + "[" + std::to_string((*target<RecordList*>())->count) + "] must be an object";
      case Place::kRecord: {
        const RecordList& list = **target<RecordList*>();
        const std::string_view field = in_map_field() ? list.map : list.names[*field_];
        return record_name() + std::string(field) + " must be " +
               (in_map_field()           ? "an object of strings"
                : field == list.nullable ? "a string or null"
                                         : "a string");
      }
      case Place::kMap: {
        const bool in_record = around_map_ == Place::kRecord;
        return (in_record ? record_name() + std::string((*target<RecordList*>())->map) : name) +
               " must hold strings only";
      }
      default:
        break;
    }
    static constexpr std::string_view kTypes[] = {"a string",
                                                  "an integer",
                                                  "true or false",
                                                  "an array of strings",
                                                  "an array of objects",
                                                  "an object of strings",
                                                  "a string or null",
                                                  "an object"};
    if (member_ == nullptr) return name + " must be an object";
    const bool or_object = !inner_.empty() && target<AnyObject*>() == nullptr;
    return name + " must be " + std::string(kTypes[member_->target.index()]) +
           (or_object ? " or an object" : "");
  }

  // Of the record that comes: "grants[2]."
  std::string record_name() const {
    return std::string(member_->name) + "[" + std::to_string((*target<RecordList*>())->count - 1) + "].";
  }

  std::span<const Member> members_;
  Place place_ = Place::kStart;
  std::string path_;                  // to the object that is read, with a dot at its end; empty: the body's
  const Member* member_ = nullptr;    // whose value comes; null: nobody asked for it
  std::string inner_;                 // the path of the object that may come; empty: nobody asked for any
  std::optional<std::size_t> field_;  // the same within a record; one past its names: its map
  TextMap* map_ = nullptr;            // that is being read
  Place around_map_ = Place::kObject;
  std::size_t skipped_ = 0;  // levels within a value that nobody asked for
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
