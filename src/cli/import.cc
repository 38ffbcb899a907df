#include "cli/import.h"

#include <algorithm>
#include <boost/json.hpp>
#include <unordered_map>

#include "cli/errc.h"
#include "fleet/address.h"

namespace drover::cli {
namespace {

namespace json = boost::json;

std::string shown(std::string_view id) { return "instance_id \"" + std::string(id.substr(0, 80)) + "\""; }

// Checks instances one by one and keeps them.
class Collector {
 public:
  explicit Collector(const std::string& file) : file_(file) {}

  Failure wrong(std::size_t line, const std::string& what) const {
    return fail(Errc::kUsage, file_ + ":" + std::to_string(line) + ": " + what);
  }

  Result<> add(std::size_t line, std::string_view id, std::string_view address,
               Result<std::optional<Labels>> labels) {
    if (const Result<> good = check_instance(id, address); !good) return wrong(line, good.error().message);
    if (!labels) return wrong(line, labels.error().message);
    const auto [at, fresh] = lines_.try_emplace(std::string(id), line);
    if (!fresh) return wrong(line, shown(id) + ": is on line " + std::to_string(at->second) + " already");
    instances_.push_back({std::string(id), std::string(address), *std::move(labels)});
    return {};
  }

  std::vector<NewInstance> take() { return std::move(instances_); }

 private:
  const std::string& file_;
  std::unordered_map<std::string, std::size_t> lines_;
  std::vector<NewInstance> instances_;
};

// A CSV field without the spaces and the quotes around it. None can contain a quote or a comma.
std::string_view bare(std::string_view field) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!field.empty() && is_space(field.front())) field.remove_prefix(1);
  while (!field.empty() && is_space(field.back())) field.remove_suffix(1);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = field.substr(1, field.size() - 2);
  return field;
}

// The fields of a row. Four for a row that has more.
std::vector<std::string_view> fields_of(std::string_view row) {
  std::vector<std::string_view> fields;
  while (fields.size() < 3) {
    const std::size_t comma = row.find(',');
    fields.push_back(bare(row.substr(0, comma)));
    if (comma == std::string_view::npos) return fields;
    row.remove_prefix(comma + 1);
  }
  fields.push_back(row);
  return fields;
}

// A third field gives all labels, and none if it is empty; without it, labels are not spoken of.
Result<std::optional<Labels>> labels_of(const std::vector<std::string_view>& fields) {
  if (fields.size() < 3) return std::nullopt;
  Result<Labels> labels = parse_label_list(fields[2]);
  if (!labels) return Failure(labels.error());
  return *std::move(labels);
}

bool is_header(const std::vector<std::string_view>& fields) {
  return fields[0] == "instance_id" && fields[1] == "address" && (fields.size() < 3 || fields[2] == "labels");
}

Result<std::vector<NewInstance>> parse_csv(std::string_view text, const std::string& file) {
  Collector collector(file);
  bool first = true;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (bare(row).empty()) continue;
    const std::vector<std::string_view> fields = fields_of(row);
    if (fields.size() < 2 || fields.size() > 3) {
      return collector.wrong(line, "must be two or three fields: instance_id,address,labels");
    }
    if (std::exchange(first, false) && is_header(fields)) continue;
    const Result<> added = collector.add(line, fields[0], fields[1], labels_of(fields));
    if (!added) return Failure(added.error());
  }
  return collector.take();
}

std::size_t line_at(std::string_view text, std::size_t offset) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  return 1 + static_cast<std::size_t>(std::count(text.begin(), end, '\n'));
}

// The lines on which the elements of a JSON array begin that lies `depth` brackets deep. Boost.JSON's values
// do not know where they stood; `text` is valid JSON here.
std::vector<std::size_t> element_lines(std::string_view text, int depth) {
  std::vector<std::size_t> lines;
  std::size_t line = 1;
  int deep = 0;
  bool in_string = false;
  bool expected = false;  // an element of the array comes next
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (expected && c != ']') lines.push_back(line);
    expected = false;
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') expected = ++deep == depth && c == '[';
    if (c == ']' || c == '}') --deep;
    if (c == ',' && deep == depth) expected = true;
  }
  return lines;
}

// Text of a member, or nothing if there is none or it is not text.
std::string_view text_member(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return value->get_string();
}

Result<std::optional<Labels>> labels_of(const json::object& object) {
  const json::value* const value = object.if_contains("labels");
  if (value == nullptr) return std::nullopt;
  const json::object* const members = value->if_object();
  if (members == nullptr) return fail(Errc::kUsage, "labels must be an object of texts");
  Labels labels;
  for (const auto& [key, text] : *members) {
    if (!text.is_string()) return fail(Errc::kUsage, "label \"" + std::string(key) + "\": must be text");
    std::string label(key);
    label.append("=").append(text.get_string());
    if (const Result<> added = add_label(label, labels); !added) return Failure(added.error());
  }
  return labels;
}

Result<std::vector<NewInstance>> take_elements(const json::array& array,
                                               const std::vector<std::size_t>& lines,
                                               const std::string& file) {
  Collector collector(file);
  for (std::size_t i = 0; i < array.size(); ++i) {
    const json::object* const object = array[i].if_object();
    if (object == nullptr) return collector.wrong(lines[i], "must be an object with instance_id and address");
    const Result<> added = collector.add(lines[i], text_member(*object, "instance_id"),
                                         text_member(*object, "address"), labels_of(*object));
    if (!added) return Failure(added.error());
  }
  return collector.take();
}

Result<std::vector<NewInstance>> parse_json(std::string_view text, const std::string& file) {
  json::stream_parser parser;
  boost::system::error_code error;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    error = json::error::extra_data;
  if (!error) parser.finish(error);
  if (error) {
    return fail(Errc::kUsage,
                file + ":" + std::to_string(line_at(text, read)) + ": is not JSON: " + error.message());
  }
  const json::value value = parser.release();
  if (const json::array* array = value.if_array()) return take_elements(*array, element_lines(text, 1), file);
  const json::object* const object = value.if_object();
  const json::value* const inner = object == nullptr ? nullptr : object->if_contains("instances");
  if (inner == nullptr || !inner->is_array() || object->size() != 1) {
    return fail(Errc::kUsage,
                file + ":1: must be a list of instances, or {\"instances\":[...]} and nothing else");
  }
  return take_elements(inner->get_array(), element_lines(text, 2), file);
}

}  // namespace

Result<> check_instance(std::string_view id, std::string_view address) {
  if (!fleet::is_instance_id(id))
    return fail(Errc::kUsage, shown(id) + ": must be 1 to 32 of A-Z a-z 0-9 _ -");
  if (fleet::parse_address(address)) return {};
  return fail(Errc::kUsage,
              "address \"" + std::string(address.substr(0, 200)) + "\": must be adb://HOST:PORT");
}

Result<std::vector<NewInstance>> parse_instances(std::string_view text, const std::string& file) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // spreadsheets put a byte order mark first
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool is_json = start != std::string_view::npos && (text[start] == '[' || text[start] == '{');
  return is_json ? parse_json(text, file) : parse_csv(text, file);
}

std::string instances_csv(const std::vector<NewInstance>& instances) {
  std::string text = "instance_id,address\n";
  for (const NewInstance& instance : instances) text += instance.instance_id + ',' + instance.address + '\n';
  return text;
}

std::string instances_json(const std::vector<NewInstance>& instances) {
  json::array array;
  array.reserve(instances.size());
  for (const NewInstance& instance : instances) {
    array.push_back({{"instance_id", instance.instance_id}, {"address", instance.address}});
  }
  return json::serialize(json::object{{"instances", std::move(array)}});
}

}  // namespace drover::cli
