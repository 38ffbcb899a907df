#include "store/postgres/postgres_check.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/postgres/advice.h"
#include "store/postgres/identities.h"
#include "store/postgres/link.h"
#include "store/postgres/schema.h"

namespace drover::store {
namespace {

using namespace postgres;  // NOLINT(google-build-using-namespace): the engine's own parts

using Answers = Result<std::vector<Rows>>;

constexpr Seconds kPatience{15};
constexpr std::int64_t kOldestServer = 150'000;  // PostgreSQL 15

// A connection of its own, for questions one after the other.
class Questioner {
 public:
  explicit Questioner(const std::string& conninfo) {
    call_on(thread_.loop(), [&] {
      link_ = std::make_unique<Link>(thread_.loop(), conninfo, "drover doctor", Link::Kind::kReader);
    });
  }
  ~Questioner() {
    call_on(thread_.loop(), [this] { link_.reset(); });
  }
  Questioner(const Questioner&) = delete;
  Questioner& operator=(const Questioner&) = delete;

  Result<> connect() {
    return wait<void>([this](auto answer) { link_->start(std::move(answer)); });
  }

  Answers ask(Unit unit) {
    auto sent = std::make_shared<Unit>(std::move(unit));
    return wait<std::vector<Rows>>(
        [this, sent](auto answer) { link_->connection().run(std::move(*sent), std::move(answer)); });
  }

 private:
  template <typename T, typename Start>
  Result<T> wait(Start start) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    auto answer = promise->get_future();
    thread_.loop().post([start = std::move(start), promise] {
      start([promise](Result<T> got) { promise->set_value(std::move(got)); });
    });
    if (answer.wait_for(kPatience) != std::future_status::ready)
      return failure(Errc::kUnavailable, "no answer within " + std::to_string(kPatience.count()) + " s");
    return answer.get();
  }

  Clock clock_;
  LoopThread thread_{clock_, "doctor"};
  std::unique_ptr<Link> link_;
};

class Check {
 public:
  Check(const std::string& conninfo, const std::string& shown) : shown_(shown), server_(conninfo) {}

  CheckReport run() && {
    if (look_at_server() && look_at_schema()) {
      look_for_node();
      look_at_contents();
    }
    return std::move(report_);
  }

 private:
  void add(const char* check, Verdict verdict, std::string message, std::string advice = {}) {
    report_.findings.push_back({check, verdict, std::move(message), std::move(advice)});
  }
  void fail(const Error& error, std::string advice = {}) {
    add("database", Verdict::kFailure, shown_ + ": " + error.message, std::move(advice));
  }

  // False: nothing more can be learnt.
  bool look_at_server() {
    if (const Result<> up = server_.connect(); !up) {
      fail(up.error(), postgres_advice(up.error()));
      return false;
    }
    Unit unit;
    unit.add(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int8,"
        " pg_database_size(current_database())");
    for (const char* setting : {"fsync", "full_page_writes"})
      unit.add(std::string("SELECT current_setting('") + setting + "') = 'on'");
    const Answers rows = server_.ask(std::move(unit));
    if (!rows) return fail(rows.error()), false;
    const Rows& about = rows->at(0);
    add("database", Verdict::kOk,
        shown_ + ": PostgreSQL " + std::string(about.bytes(0, 0)) + ", " +
            std::to_string((about.integer(0, 2) + 1'048'575) >> 20) + " MiB");
    if (about.integer(0, 1) < kOldestServer)
      add("database", Verdict::kWarning, "Drover is tested with PostgreSQL 15 and later");
    if (rows->at(1).integer(0, 0) == 0 || rows->at(2).integer(0, 0) == 0) {
      add("database", Verdict::kFailure,
          "fsync or full_page_writes is off: a crash of its machine loses tasks",
          "Set both to on in postgresql.conf, and reload it.");
    }
    return true;
  }

  bool look_at_schema() {
    Unit look;
    look.add(kLookForSchema);
    const Answers found = server_.ask(std::move(look));
    if (!found) return fail(found.error()), false;
    if (is_strange(found->at(0))) {
      add("schema", Verdict::kFailure, "the schema drover belongs to another program",
          "Give Drover a database of its own.");
      return false;
    }
    const bool is_made = found->at(0).integer(0, 1) != 0;
    if (!is_made) look_at_rights(found->at(0).integer(0, 0) != 0);
    if (!is_made) return false;
    Unit read;
    read.add(kReadVersion);
    const Answers version = server_.ask(std::move(read));
    if (!version) return fail(version.error(), missing_grant()), false;
    const std::int64_t number = version->at(0).integer(0, 0);
    const auto last = std::ssize(migrations());
    if (number > last) {
      add("schema", Verdict::kFailure,
          "its version is " + std::to_string(number) + ", the last one known here is " + std::to_string(last),
          "Use that later version of Drover, or another database.");
      return false;
    }
    if (number < last) {
      add("schema", Verdict::kWarning, "its version is " + std::to_string(number),
          "Start `drover serve` once, which brings it to " + std::to_string(last) + ".");
      return false;
    }
    add("schema", Verdict::kOk, "version " + std::to_string(number));
    return true;
  }

  std::string missing_grant() {
    Unit unit;
    unit.add(kMissingGrant);
    const Answers rows = server_.ask(std::move(unit));
    return rows ? std::string(rows->at(0).bytes(0, 0)) : std::string();
  }

  // Before the first start.
  void look_at_rights(bool is_there) {
    const std::string what = is_there ? "the schema drover is empty" : "there is no schema drover";
    if (const std::string missing = missing_grant(); !missing.empty())
      return add("schema", Verdict::kFailure, what + ", and this role may not make what belongs there",
                 missing);
    add("schema", Verdict::kWarning, what,
        std::string("The first start of `drover serve` ") + (is_there ? "fills" : "makes") +
            " it. If there was one, restore a copy.");
  }

  void look_for_node() {
    Unit unit;
    unit.add(
        "SELECT n.name, l.expires_at > clock_timestamp() FROM drover.node n"
        " JOIN drover.lease l ON l.epoch = n.epoch ORDER BY n.epoch");
    const Answers rows = server_.ask(std::move(unit));
    if (!rows) return fail(rows.error());
    std::string running;
    std::string ended;
    for (int row = 0; row < rows->at(0).size(); ++row) {
      std::string& names = rows->at(0).integer(row, 1) != 0 ? running : ended;
      names.append(names.empty() ? "" : ", ").append(rows->at(0).bytes(row, 0));
    }
    report_.in_use = !running.empty();
    if (report_.in_use) add("server", Verdict::kOk, "running on " + running);
    if (!ended.empty()) add("server", Verdict::kOk, "one on " + ended + " has ended without saying so");
    if (rows->at(0).size() == 0) add("server", Verdict::kOk, "none is running on it");
  }

  void look_at_contents() {
    Unit unit;
    unit.add("SELECT count(*) FROM drover.instance");
    unit.add("SELECT count(*) FROM drover.open_task");
    const Answers rows = server_.ask(std::move(unit));
    if (!rows) return fail(rows.error());
    report_.instances = rows->at(0).integer(0, 0);
    add("contents", Verdict::kOk,
        std::to_string(report_.instances) + " instances, " + std::to_string(rows->at(1).integer(0, 0)) +
            " open tasks");
    Unit read;
    add_identities_read(read);
    const Answers identities = server_.ask(std::move(read));
    if (!identities) return fail(identities.error());
    report_.identities = identities_of(*identities);
  }

  const std::string shown_;
  Questioner server_;
  CheckReport report_;
};

}  // namespace

CheckReport check_postgres(const std::string& conninfo, const std::string& shown) {
  if (const Result<> fine = Connection::check(conninfo); !fine) {
    CheckReport report;
    report.findings.push_back({"database", Verdict::kFailure, shown + ": " + fine.error().message, {}});
    return report;
  }
  return Check(conninfo, shown).run();
}

}  // namespace drover::store
