// SQLite's C interface with owners and results: a connection, and statements prepared once and run often.
//
// Neither is thread-safe: each connection and its statements belong to one thread at a time. Failures carry
// SQLite's message and are kCorrupt for a damaged file, std::errc::invalid_argument for values that cannot be
// stored (a constraint, a size), and kUnavailable for all else: a full disk, an I/O error.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace drover::store::sqlite {

// Marks bytes that are no text.
struct Blob {
  std::string_view bytes;
};

// Bound bytes are not copied: they must stay until the statement has run.
class Statement {
 public:
  Statement() = default;

  // Binds the parameters from ?1 on: integers, text (std::string_view), blobs; an empty optional is NULL.
  template <typename... Values>
  Statement& bind(const Values&... values) {
    int at = 0;
    (bind_one(++at, values), ...);
    return *this;
  }

  // True: there is a row, to be read before the next call. After the last row (false) or a failure the
  // statement is ready to be bound and run again; whoever stops earlier calls reset().
  Result<bool> step();
  // For statements without rows.
  Result<> run();
  void reset();

  // Columns of the row, from 0. Views hold until the next step() or reset().
  std::int64_t integer(int column) const;
  template <typename Integer>
  Integer integer_as(int column) const {
    return static_cast<Integer>(integer(column));
  }
  std::string_view bytes(int column) const;  // of text or blob; empty for NULL
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  template <std::integral Integer>
  void bind_one(int at, Integer value) {
    bind_integer(at, static_cast<std::int64_t>(value));
  }
  void bind_one(int at, std::string_view text);
  void bind_one(int at, Blob blob);
  template <typename Value>
  void bind_one(int at, const std::optional<Value>& value) {
    if (value) {
      bind_one(at, *value);
    } else {
      bind_null(at);
    }
  }
  void bind_integer(int at, std::int64_t value);
  void bind_null(int at);
  void keep(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_failure_ = 0;
};

class Database {
 public:
  Database() = default;

  enum class Access {
    kReadWrite,
    kRead,       // beside a process that writes; may leave an empty log behind where there is none
    kReadAlone,  // nobody writes and there is no log: touches nothing, works also where nothing can be
                 // written
  };

  // Opens a file that exists.
  static Result<Database> open(const std::string& path, Access access = Access::kReadWrite);

  // Runs statements separated by semicolons whose rows nobody wants.
  Result<> run(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  // Prepares several, each into its place.
  Result<> prepare(std::initializer_list<std::pair<Statement*, std::string_view>> statements);
  // The first column of the only row of `sql`.
  Result<std::int64_t> integer(std::string_view sql);

  // Copies what is in the write-ahead log back into the file, as far as no reader is in the way, and waits
  // for nobody. Gives the number of the log's pages that are in the file now.
  Result<int> checkpoint();
  // Pages in the log after this connection's last commit.
  int log_pages() const { return *log_pages_; }

  // Makes this database, which is empty, a copy of `source`, page by page. `go_on` is called now and then
  // with how many pages are copied; when it says no, the copy is of no use:
  // std::errc::operation_canceled. A transaction that is open on `source` makes it a copy of that moment.
  using GoOn = std::function<bool(std::uint64_t done)>;
  Result<> copy_from(Database& source, const GoOn& go_on);

  // Any thread, while the database is open: the statement that runs fails.
  void interrupt();

  // Rows that the last INSERT, UPDATE or DELETE changed.
  std::int64_t changes() const;
  // Rows that were changed since the connection was opened.
  std::int64_t total_changes() const;
  bool in_transaction() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };

  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);  // SQLite keeps a pointer to it
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace drover::store::sqlite
