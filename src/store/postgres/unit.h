// What is sent to PostgreSQL as one transaction, and what comes back, in PostgreSQL's binary format.
//
// Nothing here is thread-safe; all of it may be made on one thread and handed to another.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pg_result;

namespace drover::store::postgres {

// Parsed and planned once on each connection, at its first use there. `name` is unique among all statements
// and, with the statement, outlives every unit that it is added to. A statement is parsed before the
// transaction of its unit begins, so what an earlier command of the same unit creates it does not see.
// A connection keeps the 256 statements used last; of others it lets go by itself.
struct Statement {
  const char* name;
  std::string sql;  // one command, $1... for the parameters
};

// The parameters $1... of one command, copied. Each has its type, so that `$1` alone says which; NULL takes
// the type that the command gives it. At most 65,535.
class Params {
 public:
  Params& add(std::int64_t value);  // int8
  Params& add_int4(std::int32_t value);
  Params& add_bool(bool value);
  Params& add_text(std::string_view value);   // UTF-8 without NUL, else the server refuses the command
  Params& add_bytes(std::string_view value);  // bytea
  Params& add_null();

  Params& add(std::span<const std::int64_t> values);                           // int8[]
  Params& add(std::span<const std::optional<std::int64_t>> values);            // int8[] with NULLs
  Params& add_int4s(std::span<const std::int32_t> values);                     // int4[]
  Params& add_texts(std::span<const std::string_view> values);                 // text[]
  Params& add_bytes(std::span<const std::optional<std::string_view>> values);  // bytea[] with NULLs

  std::size_t size() const { return values_.size(); }
  std::size_t bytes() const { return data_.size(); }

 private:
  friend class Wire;

  struct Value {
    unsigned type;  // an Oid; 0: the server decides
    std::size_t at;
    std::int64_t length;  // -1: NULL
  };

  void put32(std::uint32_t value);
  void put64(std::uint64_t value);
  void begin_value(unsigned type);
  void end_value();
  void begin_array(unsigned array_type, unsigned element_type, std::size_t count, bool nulls);
  void put_element(std::string_view bytes);

  std::string data_;  // the values one after the other
  std::vector<Value> values_;
};

// What one command answered. Owns it; views into it live as long. A row or column that is not there, a NULL
// and a value of another size than asked for read as 0 or empty. sum() of int8 is a numeric, which no
// accessor reads: cast it to int8.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* owned) : result_(owned) {}

  int size() const;
  bool is_null(int row, int column) const;            // also when it is not there
  std::int64_t integer(int row, int column) const;    // int2, int4, int8 and bool
  std::string_view bytes(int row, int column) const;  // text and bytea
  std::int64_t changed() const;                       // rows inserted, updated, deleted or selected

 private:
  struct Free {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Free> result_;
};

// Numbers with commas between them, as array_to_string() gives them.
std::vector<std::int64_t> numbers_of(std::string_view text);

// Commands that are one transaction, sent and answered in one round trip: all take effect or none. No command
// may be BEGIN, COMMIT or the like, COPY, or one that PostgreSQL does not allow in a transaction.
class Unit {
 public:
  void add(const Statement& statement, Params params);
  void add(std::string sql, Params params = {});  // parsed each time; one command

  std::size_t size() const { return commands_.size(); }
  std::size_t bytes() const;  // of all parameters

 private:
  friend class Wire;

  struct Command {
    const Statement* statement;  // null: `sql`
    std::string sql;
    Params params;
  };

  std::vector<Command> commands_;
};

}  // namespace drover::store::postgres
