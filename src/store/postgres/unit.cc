#include "store/postgres/unit.h"

#include <libpq-fe.h>

#include <charconv>
#include <utility>

namespace drover::store::postgres {
namespace {

// Of pg_type.dat; they never change.
constexpr unsigned kBool = 16;
constexpr unsigned kBytea = 17;
constexpr unsigned kInt8 = 20;
constexpr unsigned kInt2 = 21;
constexpr unsigned kInt4 = 23;
constexpr unsigned kText = 25;
constexpr unsigned kByteaArray = 1001;
constexpr unsigned kInt4Array = 1007;
constexpr unsigned kTextArray = 1009;
constexpr unsigned kInt8Array = 1016;

constexpr std::uint32_t kNullLength = 0xffff'ffff;

template <typename T>
void put(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

std::uint64_t read_unsigned(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

void Params::put32(std::uint32_t value) { put(data_, value); }
void Params::put64(std::uint64_t value) { put(data_, value); }

void Params::begin_value(unsigned type) { values_.push_back({type, data_.size(), 0}); }

void Params::end_value() {
  values_.back().length = static_cast<std::int64_t>(data_.size() - values_.back().at);
}

Params& Params::add(std::int64_t value) {
  begin_value(kInt8);
  put64(static_cast<std::uint64_t>(value));
  end_value();
  return *this;
}

Params& Params::add_int4(std::int32_t value) {
  begin_value(kInt4);
  put32(static_cast<std::uint32_t>(value));
  end_value();
  return *this;
}

Params& Params::add_bool(bool value) {
  begin_value(kBool);
  data_.push_back(value ? '\1' : '\0');
  end_value();
  return *this;
}

Params& Params::add_text(std::string_view value) {
  begin_value(kText);
  data_.append(value);
  end_value();
  return *this;
}

Params& Params::add_bytes(std::string_view value) {
  begin_value(kBytea);
  data_.append(value);
  end_value();
  return *this;
}

Params& Params::add_null() {
  values_.push_back({0, data_.size(), -1});
  return *this;
}

// Dimensions, whether there are NULLs, the elements' type, then size and lower bound of the one dimension. An
// empty array has none.
void Params::begin_array(unsigned array_type, unsigned element_type, std::size_t count, bool nulls) {
  begin_value(array_type);
  put32(count > 0 ? 1 : 0);
  put32(nulls ? 1 : 0);
  put32(element_type);
  if (count == 0) return;
  put32(static_cast<std::uint32_t>(count));
  put32(1);
}

void Params::put_element(std::string_view bytes) {
  put32(static_cast<std::uint32_t>(bytes.size()));
  data_.append(bytes);
}

Params& Params::add(std::span<const std::int64_t> values) {
  data_.reserve(data_.size() + 20 + values.size() * 12);
  begin_array(kInt8Array, kInt8, values.size(), false);
  for (const std::int64_t value : values) {
    put32(sizeof value);
    put64(static_cast<std::uint64_t>(value));
  }
  end_value();
  return *this;
}

Params& Params::add(std::span<const std::optional<std::int64_t>> values) {
  begin_array(kInt8Array, kInt8, values.size(), true);
  for (const auto& value : values) {
    put32(value ? sizeof *value : kNullLength);
    if (value) put64(static_cast<std::uint64_t>(*value));
  }
  end_value();
  return *this;
}

Params& Params::add_int4s(std::span<const std::int32_t> values) {
  data_.reserve(data_.size() + 20 + values.size() * 8);
  begin_array(kInt4Array, kInt4, values.size(), false);
  for (const std::int32_t value : values) {
    put32(sizeof value);
    put32(static_cast<std::uint32_t>(value));
  }
  end_value();
  return *this;
}

Params& Params::add_texts(std::span<const std::string_view> values) {
  begin_array(kTextArray, kText, values.size(), false);
  for (const std::string_view value : values) put_element(value);
  end_value();
  return *this;
}

Params& Params::add_bytes(std::span<const std::optional<std::string_view>> values) {
  begin_array(kByteaArray, kBytea, values.size(), true);
  for (const auto& value : values) {
    if (value) {
      put_element(*value);
    } else {
      put32(kNullLength);
    }
  }
  end_value();
  return *this;
}

void Rows::Free::operator()(pg_result* result) const { PQclear(result); }

int Rows::size() const { return result_ ? PQntuples(result_.get()) : 0; }

bool Rows::is_null(int row, int column) const {
  if (row < 0 || row >= size() || column < 0 || column >= PQnfields(result_.get())) return true;
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view value = bytes(row, column);
  if (value.empty()) return 0;
  const std::uint64_t read = read_unsigned(value);
  switch (PQftype(result_.get(), column)) {
    case kBool:
      return value.size() == 1 ? static_cast<std::int64_t>(read) : 0;
    case kInt2:
      return value.size() == 2 ? static_cast<std::int16_t>(read) : 0;
    case kInt4:
      return value.size() == 4 ? static_cast<std::int32_t>(read) : 0;
    case kInt8:
      return value.size() == 8 ? static_cast<std::int64_t>(read) : 0;
    default:
      return 0;
  }
}

std::string_view Rows::bytes(int row, int column) const {
  if (is_null(row, column)) return {};
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Rows::changed() const {
  if (!result_) return 0;
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

void Unit::add(const Statement& statement, Params params) {
  commands_.push_back({&statement, {}, std::move(params)});
}

void Unit::add(std::string sql, Params params) {
  commands_.push_back({nullptr, std::move(sql), std::move(params)});
}

std::size_t Unit::bytes() const {
  std::size_t sum = 0;
  for (const Command& command : commands_) sum += command.params.bytes();
  return sum;
}

std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    if (!text.empty()) text.remove_prefix(1);
  }
  return numbers;
}

}  // namespace drover::store::postgres
