#include "store/postgres/postgres_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "base/loop.h"
#include "base/loop_call.h"
#include "store/errc.h"
#include "store/metrics.h"
#include "store/postgres/audit_log.h"
#include "store/postgres/audit_watermark.h"
#include "store/postgres/clock_skew.h"
#include "store/postgres/days.h"
#include "store/postgres/entry.h"
#include "store/postgres/identities.h"
#include "store/postgres/instances.h"
#include "store/postgres/keys.h"
#include "store/postgres/link.h"
#include "store/postgres/membership.h"
#include "store/postgres/node_id.h"
#include "store/postgres/phone_states.h"
#include "store/postgres/task_reads.h"
#include "store/postgres/writer.h"
#include "store/postgres/writes.h"

namespace drover::store {
namespace {

using namespace postgres;  // NOLINT(google-build-using-namespace): the engine's own parts

using Answers = Result<std::vector<Rows>>;

constexpr Seconds kJoinPatience{30};

constexpr std::size_t kMostReasons = 32;

// How long close() waits for the database to take the lease back.
constexpr Millis kClosePatience{3'000};

class PostgresStore final : public Store, public Cluster, private WriterEvents {
 public:
  PostgresStore(PostgresOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock), thread_(clock, "store") {}
  ~PostgresStore() override { close(); }

  Result<> open(prometheus::Registry& registry);

  void write(WriteBatch batch, WriteDone done) override {
    submit(std::make_unique<TaskWrite>(std::move(batch), std::move(done)));
  }

  void read_task(const Id& id, Done<std::optional<TaskRecord>> done) override {
    if (id.part() != 0) return read_nothing(std::move(done));
    read(
        std::move(done), [id](Unit& unit, Days& days) { return add_task_read(unit, days, id); }, task_of);
  }

  void read_job(const Id& job, Done<std::optional<JobOutcome>> done) override {
    if (job.part() == 0 || job.part() > JobKey::kMaxJobs) return read_nothing(std::move(done));
    read(
        std::move(done), [job](Unit& unit, Days& days) { return add_job_read(unit, days, job); },
        [](const std::vector<Rows>& rows) {
          return rows.empty() ? std::optional<JobOutcome>() : job_of(rows.front());
        });
  }

  void list_tasks(std::int64_t project, std::int64_t before, std::uint32_t limit,
                  Done<std::vector<TaskSummary>> done) override {
    read(
        std::move(done),
        [=](Unit& unit, Days&) {
          add_list(unit, project, before, limit);
          return true;
        },
        [](const std::vector<Rows>& rows) {
          return rows.empty() ? std::vector<TaskSummary>() : list_of(rows.front());
        });
  }

  void delete_old(const Retention& retention, Done<std::uint64_t> done) override {
    const auto add = [this, retention](Unit& unit, std::int64_t epoch) {
      add_delete_old(unit, epoch, retention, day_of_time(clock_.unix_ms()));
    };
    const auto read_answer = [](std::int64_t number) { return static_cast<std::uint64_t>(number); };
    submit(std::make_unique<DeleteOld>(1, add, read_answer, std::move(done)));
  }

  void add_project(Project project, Done<Project> done) override {
    const auto add = [project](Unit& unit, std::int64_t epoch) {
      postgres::add_project(unit, epoch, project);
    };
    submit_number<Project>(1, add, std::move(done), [project](std::int64_t seq) -> Result<Project> {
      if (seq == 0) return failure(Errc::kExists, "project " + project.name);
      Project made = project;
      made.seq = seq;
      return made;
    });
  }

  void add_user(User user, std::vector<Grant> grants, Done<User> done) override {
    const std::size_t rows = 1 + grants.size();
    const auto add = [user, grants = std::move(grants)](Unit& unit, std::int64_t epoch) {
      postgres::add_user(unit, epoch, user, grants);
    };
    submit_number<User>(rows, add, std::move(done), [user](std::int64_t seq) -> Result<User> {
      if (seq == 0) return failure(Errc::kExists, "user " + user.name);
      User made = user;
      made.seq = seq;
      return made;
    });
  }

  void change_identity(IdentityChange change, Done<> done) override {
    const auto add = [change](Unit& unit, std::int64_t epoch) { add_change(unit, epoch, change); };
    submit_number<void>(1, add, std::move(done),
                        [change](std::int64_t answer) { return outcome_of(answer, change); });
  }

  void put_instances(std::vector<Instance> instances, Done<std::vector<Instance>> done) override {
    submit(std::make_unique<PutInstances>(std::move(instances), when_known(std::move(done))));
  }

  void remove_instance(std::int64_t seq, Done<> done) override {
    const auto add = [seq](Unit& unit, std::int64_t epoch) { postgres::remove_instance(unit, epoch, seq); };
    const auto outcome = [seq](std::int64_t answer) -> Result<> {
      if (answer != 0) return failure(Errc::kNotFound, "instance number " + std::to_string(seq));
      return {};
    };
    submit(std::make_unique<RemoveInstance>(1, add, outcome, when_known(std::move(done))));
  }

  void add_audit(std::vector<AuditEntry> entries, Done<> done) override {
    WriteBatch batch;
    batch.audit = std::move(entries);
    write(std::move(batch),
          [done = std::move(done)](Result<> stored, const WriteBatch&) { done(std::move(stored)); });
  }

  void read_audit(const AuditQuery& query, Done<std::vector<AuditEntry>> done) override {
    const bool posted = post([this, query, done] {
      if (fenced_) return done(failure(Errc::kFenced));
      audit_watermark_->ask([this, query, done](const Result<std::int64_t>& last) {
        if (!last) return done(tl::make_unexpected(read_failure(last.error())));
        read_on_loop(
            done,
            [&](Unit& unit, Days&) {
              add_audit_read(unit, query, *last);
              return true;
            },
            [](const std::vector<Rows>& rows) -> Result<std::vector<AuditEntry>> {
              return rows.empty() ? std::vector<AuditEntry>() : audit_of(rows.front());
            });
      });
    });
    if (!posted) done(failure(Errc::kClosed));
  }

  Result<IdentityRows> identity_rows() override;
  Result<std::vector<Instance>> instances() override;
  Result<Recovery> recover() override;

  void close() override;

  // Numbers of tasks come by the lease's connection.
  bool takes_writes() const override {
    const std::lock_guard lock(mutex_);
    return !closed_ && lease_link_->up() && write_link_->up() && !writer_->refused_lately();
  }

  Cluster* cluster() override { return this; }

  Result<std::string> agree_on_mark(const std::string& mark) override;
  Result<Joined> join(ShardEvents& events, OnDirectory on_directory) override;
  void number_tasks(std::uint32_t count, Done<std::vector<std::int64_t>> done) override {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return done(failure(Errc::kClosed));
    }
    membership_->numbers().take(count, std::move(done));
  }
  void shards_closed(const ShardSet& shards) override {
    post([this, shards] { membership_->shards_closed(shards); });
  }
  void leave() override {
    post([this] { membership_->leave(); });
  }
  void cancel_task(std::int64_t task, Done<> done) override {
    if (!post([this, task, done] { membership_->cancel(task, done); })) done(failure(Errc::kClosed));
  }
  void watch(std::int64_t task) override {
    post([this, task] { membership_->watch(task); });
  }
  void unwatch(std::int64_t task) override {
    post([this, task] { membership_->unwatch(task); });
  }
  bool trusted() const override { return membership_->trusted(); }
  bool alone() const override { return membership_->alone(); }
  Cluster::FullShards full_shards(std::int64_t project) const override {
    return membership_->full_shards(project);
  }
  void put_phone_states(std::vector<PhoneState> states, Done<> done) override {
    submit(std::make_unique<PutPhoneStates>(std::move(states), std::move(done)));
  }
  void read_phone_states(std::vector<std::int64_t> instances, Done<std::vector<PhoneState>> done) override {
    read(
        std::move(done),
        [instances = std::move(instances)](Unit& unit, Days&) {
          add_phone_states_read(unit, instances);
          return true;
        },
        [](const std::vector<Rows>& rows) -> Result<std::vector<PhoneState>> {
          return rows.empty() ? std::vector<PhoneState>() : phone_states_of(rows.front());
        });
  }

 private:
  void submit(std::unique_ptr<Write> write) {
    {
      const std::lock_guard lock(mutex_);
      // Under the lock: close() posts its end behind it.
      if (!closed_ && writer_) return writer_->submit(std::move(write));
    }
    write->finish(failure(Errc::kClosed), {});
  }

  template <typename T>
  void submit_number(std::size_t rows, typename NumberWrite<T>::Add add, Done<T> done,
                     typename NumberWrite<T>::Read read_answer) {
    submit(std::make_unique<NumberWrite<T>>(rows, std::move(add), std::move(read_answer),
                                            when_known(std::move(done))));
  }

  // A change is answered when every node goes by it.
  template <typename T>
  Done<T> when_known(Done<T> done) {
    return [this, since = membership_->known(), done = std::move(done)](Result<T> result) {
      if (!result) return done(std::move(result));
      membership_->when_known(since, [done, result = std::move(result)] { done(result); });
    };
  }

  // Runs `fn` on the loop, or says that the store is closed.
  bool post(std::function<void()> fn) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    thread_.loop().post(std::move(fn));
    return true;
  }

  template <typename T>
  void read_nothing(Done<std::optional<T>> done) {
    if (!post([done] { done(std::optional<T>()); })) done(failure(Errc::kClosed));
  }

  // `make` adds commands to a unit, or says that there is nothing to be found; `parse` makes the answer of
  // their rows, or of none.
  template <typename T, typename Make, typename Parse>
  void read(Done<T> done, Make make, Parse parse) {
    const bool posted = post([this, done, make = std::move(make), parse = std::move(parse)] {
      if (fenced_) return done(failure(Errc::kFenced));
      read_on_loop(done, make, parse);
    });
    if (!posted) done(failure(Errc::kClosed));
  }

  template <typename T, typename Make, typename Parse>
  void read_on_loop(Done<T> done, const Make& make, Parse parse) {
    Unit unit;
    if (!make(unit, days_)) return done(parse({}));
    reader_->connection().run(std::move(unit), [done = std::move(done), parse](const Answers& rows) {
      if (rows) return done(parse(*rows));
      if (sqlstate(rows.error()) == "42P01") return done(parse({}));  // the day's tables have gone
      done(tl::make_unexpected(read_failure(rows.error())));
    });
  }

  static Error read_failure(Error error) {
    if (error.code != Errc::kClosed) error.code = make_error_code(Errc::kUnavailable);
    return error;
  }

  // From any thread but the loop's.
  Answers run_now(Link& link, Unit unit);
  // By the lease's connection, before it is the lease's.
  Answers run_patiently(Unit unit, Millis patience);
  Answers read_now(Unit unit);
  Result<> connect(std::unique_ptr<Link>& link, const char* what, Link::Kind kind);
  Result<> load_days();
  void set_up(std::int64_t epoch, prometheus::Registry& registry);
  void log_down(const Error& why);
  void log_up();
  void make_days_ahead();
  void end_on_loop(std::promise<void>& ended);

  void on_fenced() override;
  void on_old_map(std::function<void()> renewed) override { membership_->renew_map(std::move(renewed)); }
  void on_told_others() override { membership_->tell_others(); }
  void on_ended_tasks() override { membership_->tell_who_waits(); }
  std::unique_ptr<Write> take_inbox() override { return membership_->take_inbox(); }

  const PostgresOptions options_;
  NodeId id_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
  std::mutex close_mutex_;

  // The loop's, from here on. Made and destroyed on it.
  bool fenced_ = false;
  Days days_;
  std::unique_ptr<Link> lease_link_;
  std::unique_ptr<Link> write_link_;
  std::unique_ptr<Link> reader_;
  std::unique_ptr<Link> follower_;  // of the directory: nobody's reads are to stand before its own
  std::unique_ptr<ClockSkew> clock_skew_;
  std::set<std::string> why_down_;  // what the log has said since all were connected
  std::unique_ptr<Membership> membership_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<AuditWatermark> audit_watermark_;
  std::int64_t directory_ = 0;  // its version, before anything of it was read
  std::unique_ptr<Timer> ahead_timer_;
  std::unique_ptr<Timer> end_timer_;

  LoopThread thread_;  // last: it ends before what it uses
};

Answers PostgresStore::run_now(Link& link, Unit unit) {
  auto promise = std::make_shared<std::promise<Answers>>();
  auto answer = promise->get_future();
  auto sent = std::make_shared<Unit>(std::move(unit));
  const bool posted = post([&link, sent, promise] {
    link.connection().run(std::move(*sent), [promise](Answers rows) { promise->set_value(std::move(rows)); });
  });
  if (!posted) return failure(Errc::kClosed);
  return answer.get();
}

Answers PostgresStore::run_patiently(Unit unit, Millis patience) {
  call_on(thread_.loop(), [&] { lease_link_->connection().set_answer_patience(patience); });
  return run_now(*lease_link_, std::move(unit));
}

Answers PostgresStore::read_now(Unit unit) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return failure(Errc::kClosed);
  }
  auto rows = run_now(*reader_, std::move(unit));
  if (!rows) return tl::make_unexpected(read_failure(std::move(rows.error())));
  return rows;
}

Result<> PostgresStore::connect(std::unique_ptr<Link>& link, const char* what, Link::Kind kind) {
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto answer = promise->get_future();
  thread_.loop().post([&, promise] {
    link = std::make_unique<Link>(thread_.loop(), options_.conninfo, std::string("drover ") + what, kind);
    link->start([promise](Result<> first) { promise->set_value(std::move(first)); });
  });
  return answer.get();
}

Result<> PostgresStore::load_days() {
  Unit unit;
  unit.add("SELECT day FROM drover.day");
  unit.add("SELECT day FROM drover.audit_day");
  unit.add("SELECT seq, day FROM drover.open_task");
  unit.add("SELECT version FROM drover.directory");
  auto rows = run_now(*lease_link_, std::move(unit));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  call_on(thread_.loop(), [&] {
    const auto day = [&](int table, int row, int column) {
      return static_cast<std::int32_t>(rows->at(static_cast<std::size_t>(table)).integer(row, column));
    };
    for (int row = 0; row < rows->at(0).size(); ++row) days_.add(day(0, row, 0));
    for (int row = 0; row < rows->at(1).size(); ++row) days_.add_audit_day(day(1, row, 0));
    for (int row = 0; row < rows->at(2).size(); ++row)
      days_.open(rows->at(2).integer(row, 0), day(2, row, 1));
    directory_ = rows->at(3).integer(0, 0);
  });
  return {};
}

Result<> PostgresStore::open(prometheus::Registry& registry) {
  if (auto fine = Connection::check(options_.conninfo); !fine) return fine;
  auto id = NodeId::take(options_.node_file);
  if (!id) return tl::make_unexpected(std::move(id.error()));
  id_ = *std::move(id);
  Entry entry([this](Unit unit, Millis patience) { return run_patiently(std::move(unit), patience); },
              options_.migrations);
  auto done = connect(lease_link_, "lease", Link::Kind::kLease).and_then([&] { return entry.migrate(); });
  if (!done) return done;
  done = connect(write_link_, "writer", Link::Kind::kWriter);
  if (done) done = connect(reader_, "reader", Link::Kind::kReader);
  if (done) done = connect(follower_, "follower", Link::Kind::kReader);
  if (!done) return done;
  if (done = entry.compare_clocks(clock_, id_.text()); !done) return done;
  auto epoch = entry.enter(id_.text(), options_.node_name);
  if (!epoch) return tl::make_unexpected(std::move(epoch.error()));
  if (done = load_days(); !done) return done;
  call_on(thread_.loop(), [&] { set_up(*epoch, registry); });
  return {};
}

void PostgresStore::set_up(std::int64_t epoch, prometheus::Registry& registry) {
  Loop& loop = thread_.loop();
  clock_skew_ = std::make_unique<ClockSkew>(clock_, registry);
  auto membership = std::make_unique<Membership>(
      loop, lease_link_->connection(), follower_->connection(), days_,
      Membership::Options{
          epoch, directory_, [this](std::unique_ptr<Write> write) { writer_->submit(std::move(write)); },
          [this] { return writer_->unanswered(); },
          [this](Millis round_trip, std::int64_t unix_ms) { clock_skew_->measure(round_trip, unix_ms); },
          [this] { on_fenced(); }});
  WriterEvents& events = *this;
  auto writer = std::make_unique<Writer>(loop, write_link_->connection(), days_, membership->map(), epoch,
                                         Metrics(registry), events);
  lease_link_->noticed = [this](const std::string& payload) { membership_->noticed(payload); };
  // By this name others find the connection when they take the node for dead.
  const auto name_writer = [this, epoch] {
    Unit unit;
    Params params;
    params.add(epoch);
    unit.add("SELECT set_config('application_name', 'drover writer ' || $1::int8, false)", std::move(params));
    write_link_->connection().run(std::move(unit), [](const Answers&) {});
  };
  name_writer();
  write_link_->came_up = [this, name_writer] {
    log_up();
    name_writer();
    writer_->came_up();
  };
  write_link_->went_down = [this](const Error& why) {
    log_down(why);
    writer_->went_down();
  };
  for (const auto* link : {&reader_, &follower_}) {
    (*link)->came_up = [this] { log_up(); };
    (*link)->went_down = [this](const Error& why) { log_down(why); };
  }
  // A lease that is renewed later is not worth waiting for.
  lease_link_->connection().set_answer_patience(kLeaseTime - kLeaseMargin);
  const auto hurry = [this] {
    Unit unit;
    unit.add(kHurriedly);
    lease_link_->connection().run(std::move(unit), [](const Answers&) {});
  };
  hurry();
  lease_link_->came_up = [this, hurry] {
    log_up();
    hurry();
  };
  lease_link_->went_down = [this](const Error& why) { log_down(why); };
  audit_watermark_ = std::make_unique<AuditWatermark>(loop, reader_->connection());
  ahead_timer_ = std::make_unique<Timer>([this] { make_days_ahead(); });
  loop.post([this] { make_days_ahead(); });
  {
    const std::lock_guard lock(mutex_);
    membership_ = std::move(membership);
    writer_ = std::move(writer);
  }
  membership_->start();
}

// Four connections that try again and again fail for the same reasons: each is said once.
void PostgresStore::log_down(const Error& why) {
  if (why_down_.size() >= kMostReasons) why_down_.clear();
  if (why_down_.insert(why.message).second) spdlog::error("store: {}", why.message);
}

void PostgresStore::log_up() {
  for (const auto* link : {&lease_link_, &write_link_, &reader_, &follower_})
    if (!(*link)->up()) return;
  why_down_.clear();
  spdlog::warn("store: connected to the database again");
}

// So that the first write of a day need not.
void PostgresStore::make_days_ahead() {
  thread_.loop().schedule(*ahead_timer_, std::chrono::minutes(10));
  const std::int32_t today = day_of_time(clock_.unix_ms());
  if (days_.known(today + 1) && days_.audit_known(today + 1)) return;
  Unit unit;
  for (const std::int32_t day : {today, today + 1}) {
    for (const char* sql : {"SELECT drover.make_day($1)", "SELECT drover.make_audit_day($1)"}) {
      Params params;
      params.add_int4(day);
      unit.add(sql, std::move(params));
    }
  }
  lease_link_->connection().run(std::move(unit), [this, today](const Answers& made) {
    if (!made) return;
    for (const std::int32_t day : {today, today + 1}) {
      days_.add(day);
      days_.add_audit_day(day);
    }
  });
}

void PostgresStore::on_fenced() {
  if (std::exchange(fenced_, true)) return;
  if (writer_) writer_->fence();
  if (!options_.on_fenced) return;
  // A node that stands under this one's own name has come by a copy of the file.
  Unit unit;
  Params params;
  params.add_text(id_.text());
  unit.add("SELECT name FROM drover.node WHERE id = $1", std::move(params));
  lease_link_->connection().run(std::move(unit), [this](const Answers& rows) {
    const bool found = rows && rows->at(0).size() > 0;
    options_.on_fenced(found ? std::string(rows->at(0).bytes(0, 0)) : std::string());
  });
}

Result<IdentityRows> PostgresStore::identity_rows() {
  Unit unit;
  add_identities_read(unit);
  auto rows = read_now(std::move(unit));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  return identities_of(*rows);
}

Result<std::vector<Instance>> PostgresStore::instances() {
  Unit unit;
  add_instances_read(unit);
  auto rows = read_now(std::move(unit));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  return instances_of(rows->at(0));
}

Result<Recovery> PostgresStore::recover() {
  Unit list;
  add_open_list(list);
  add_newest(list);
  auto listed = read_now(std::move(list));
  if (!listed) return tl::make_unexpected(std::move(listed.error()));
  auto recovery = newest_of(std::span(*listed).subspan(1));
  if (!recovery) return recovery;
  Unit all;
  call_on(thread_.loop(), [&] { add_open_read(all, days_, open_tasks_of(listed->front())); });
  auto rows = read_now(std::move(all));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  auto open = open_records_of(*rows);
  if (!open) return tl::make_unexpected(std::move(open.error()));
  recovery->open = std::move(open->tasks);
  recovery->begun = std::move(open->begun);
  return recovery;
}

Result<std::string> PostgresStore::agree_on_mark(const std::string& mark) {
  Unit unit;
  unit.add(kPatiently);
  Params params;
  params.add_bytes(mark);
  unit.add(
      "UPDATE drover.directory SET mark = CASE WHEN mark IS NOT NULL AND EXISTS (SELECT 1 FROM drover.lease"
      " WHERE seen IS NOT NULL AND expires_at > clock_timestamp()) THEN mark ELSE $1 END RETURNING mark",
      std::move(params));
  auto rows = run_now(*lease_link_, std::move(unit));
  if (!rows) return tl::make_unexpected(read_failure(std::move(rows.error())));
  return std::string(rows->at(1).bytes(0, 0));
}

Result<Cluster::Joined> PostgresStore::join(ShardEvents& events, OnDirectory on_directory) {
  Unit newest;
  add_newest(newest);
  auto rows = read_now(std::move(newest));
  if (!rows) return tl::make_unexpected(std::move(rows.error()));
  auto recovery = newest_of(*rows);
  if (!recovery) return tl::make_unexpected(std::move(recovery.error()));
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto joined = promise->get_future();
  if (!post([this, &events, on_directory = std::move(on_directory), promise] {
        membership_->join(events, on_directory,
                          [promise](Result<> done) { promise->set_value(std::move(done)); });
      }))
    return failure(Errc::kClosed);
  if (joined.wait_for(kJoinPatience) != std::future_status::ready)
    return failure(Errc::kUnavailable, "the other nodes do not take notice of this one");
  if (auto done = joined.get(); !done) return tl::make_unexpected(std::move(done.error()));
  Joined result{recovery->newest_ms, 0};
  call_on(thread_.loop(), [&] { result.shards = membership_->shards(); });
  return result;
}

void PostgresStore::close() {
  const std::lock_guard one_at_a_time(close_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  std::promise<void> ended;
  thread_.loop().post([this, &ended] {
    if (ahead_timer_) ahead_timer_->cancel();
    if (writer_) return writer_->drain([this, &ended] { end_on_loop(ended); });
    end_on_loop(ended);
  });
  ended.get_future().wait();
  thread_.join();
  id_.release();
}

// Reads that are under way are answered, the lease is given back, and all ends.
void PostgresStore::end_on_loop(std::promise<void>& ended) {
  const auto end = [this, &ended] {
    if (membership_) membership_->stop();  // it asks for no more writes behind what is posted here
    // Not from inside a callback of what is destroyed here.
    thread_.loop().post([this, &ended] {
      if (!end_timer_) return;
      end_timer_.reset();
      for (const auto* link : {&follower_, &reader_, &write_link_, &lease_link_})
        if (*link) (*link)->connection().stop();
      writer_.reset();
      audit_watermark_.reset();
      ahead_timer_.reset();
      for (auto* link : {&follower_, &reader_, &write_link_, &lease_link_}) link->reset();
      ended.set_value();
    });
  };
  end_timer_ = std::make_unique<Timer>(end);
  thread_.loop().schedule(*end_timer_, kClosePatience);
  const auto release = [this, end] {
    if (membership_) return membership_->release(end);
    end();
  };
  if (!reader_) return release();
  Unit last;
  last.add("SELECT 1");
  reader_->connection().run(std::move(last), [release](const Answers& answers) {
    if (!answers && answers.error().code == Errc::kClosed) return;
    release();
  });
}

}  // namespace

Result<std::unique_ptr<Store>> open_postgres(const PostgresOptions& options, const Clock& clock,
                                             prometheus::Registry& registry) {
  auto store = std::make_unique<PostgresStore>(options, clock);
  if (auto done = store->open(registry); !done) return tl::make_unexpected(std::move(done.error()));
  return store;
}

}  // namespace drover::store
