#include "cli/node.h"

#include <prometheus/registry.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <utility>

#include "adb/key.h"
#include "api/api.h"
#include "base/loop.h"
#include "base/loop_call.h"
#include "cli/errc.h"
#include "cli/paths.h"
#include "fleet/fleet.h"
#include "http/server.h"
#include "identity/identity.h"
#include "store/check.h"
#include "store/cluster.h"
#include "store/errc.h"
#include "store/postgres/advice.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"
#include "task/engine.h"
#include "task/retention.h"

namespace drover::cli {
namespace {

constexpr std::size_t kUsualConnections = 10'000;
constexpr std::size_t kOtherDescriptors = 128;  // database, log, threads' event descriptors
constexpr std::size_t kMaxPasswordFile = 65'536;
constexpr Millis kAnswerPatience{5'000};  // for requests that are under way when the server stops

std::size_t connections_for(const Config& config, std::size_t descriptors) {
  const auto wanted = static_cast<std::size_t>(config.http.max_connections);
  if (wanted == 0) return std::min(kUsualConnections, descriptors / 4);
  return std::min(wanted, descriptors > kOtherDescriptors ? descriptors - kOtherDescriptors : 0);
}

// What to do about a PostgreSQL database that cannot be used.
Failure with_postgres_advice(const Error& error, const Config& config) {
  std::string text = error.message;
  text.insert(std::min(text.find('\n'), text.size()), "; store " + config.shown_store());
  if (error.code == store::Errc::kLocked) {
    text +=
        "\nAnother `drover serve` uses this data folder: stop it, or give this one a --data-dir of its own.";
  } else if (error.code == store::Errc::kTooNew) {
    text += "\nUse that later version of Drover, or another database.";
  } else if (error.code == store::Errc::kOldNodes) {
    text += "\nStop them first. One that was killed counts for 5 s more.";
  } else if (error.code == store::Errc::kWrongClock) {
    text += "\nSet it, and keep it right with an NTP client: by `timedatectl`, see `timedatectl status`.";
  } else if (const std::string advice = store::postgres_advice(error); !advice.empty()) {
    text += "\n" + advice;
  }
  return Failure(Error{error.code, std::move(text)});
}

// What to do about a database that cannot be opened or read.
Failure with_advice(const Error& error, const Config& config) {
  if (config.on_postgres()) return with_postgres_advice(error, config);
  std::string text = error.message;
  // People need to know which file.
  if (text.find(config.database()) == std::string::npos) text += "; database " + config.database();
  if (error.code == store::Errc::kLocked) {
    text +=
        "\nAnother `drover serve` uses this data folder: stop it, or give this one a --data-dir of its own.";
  } else if (error.code == store::Errc::kTooNew) {
    text += "\nUse that later version of Drover, or another --data-dir.";
  } else if (error.code == store::Errc::kCorrupt) {
    text += "\nThis says what is wrong with it:\n  drover doctor --data-dir " + config.data_dir + "\n" +
            store::how_to_go_on(config.data_dir);
  } else if (error.code == store::Errc::kUnavailable) {
    text += "\nThis says what is wrong with the folder:\n  drover doctor --data-dir " + config.data_dir;
  }
  return Failure(Error{error.code, std::move(text)});
}

// What other servers are told of this one. Several of a machine have a port each; one that is to be any is
// not known yet.
std::string node_name(const Config& config) {
  std::array<char, 256> host{};
  const std::string name = ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "unknown";
  if (config.http.port != 0) return name + ":" + std::to_string(config.http.port);
  return name + " pid " + std::to_string(::getpid());
}

class NodeImpl final : public Node {
 public:
  explicit NodeImpl(const Config& config) : config_(config) {}
  ~NodeImpl() override { NodeImpl::stop(); }

  Result<> build(std::size_t descriptors, const std::function<void()>& about_to_work) {
    connections_ = connections_for(config_, descriptors);
    phones_ = phones_for(config_, descriptors);
    spdlog::info("descriptors: {} in all, enough for {} phones and {} HTTP connections", descriptors, phones_,
                 connections_);
    if (auto done = open_key(); !done) return done;
    if (auto done = open_store(); !done) return done;
    if (auto done = open_identity(); !done) return done;
    if (auto done = make_engine(); !done) return done;
    if (auto done = listen(); !done) return done;
    if (!config_.auth.admin_password_file.empty()) {
      if (auto done = make_administrator(); !done) return done;
    }
    if (about_to_work) about_to_work();
    // Who joins takes phones away from other nodes. What the settings can make fail has failed by now, so
    // that one that is started again and again does not do so each time.
    if (auto done = start_engine(); !done) return done;
    server_->serve();
    // One whose password is shown once comes last: a start that fails shows nobody anything.
    return make_administrator();
  }

  std::uint16_t port() const override { return server_->port(); }
  std::size_t instances() const override { return instances_; }
  const std::optional<identity::FirstAdministrator>& first_administrator() const override {
    return administrator_;
  }

  bool lost() const override { return lost_; }
  std::string lost_to() const override { return lost_ ? twin_ : std::string(); }

  void drain(std::function<void()> done) override {
    draining_ = true;
    engine_->drain(std::move(done));
  }

  void stop() override {
    if (std::exchange(stopped_, true)) return;
    if (api_ != nullptr) api_->stop_waiting();
    if (server_ != nullptr) server_->stop(kAnswerPatience);
    if (identity_ != nullptr) identity_->stop();  // its answers go through the API
    if (engine_ != nullptr) {
      call_on(thread_.loop(), [this] {
        engine_->stop();
        fleet_->stop();
      });
    }
    if (store_ != nullptr) store_->close();
    thread_.join();
  }

 private:
  Result<> open_key() {
    Result<std::unique_ptr<adb::Key>> key = adb::load_or_make_key(config_.adb.key);
    if (!key) return Failure(key.error());
    std::vector<std::unique_ptr<adb::Key>> keys;
    keys.push_back(*std::move(key));
    keys_ = std::make_shared<const adb::KeyRing>(std::move(keys));
    return {};
  }

  Result<> open_store() {
    Result<std::unique_ptr<store::Store>> store =
        config_.on_postgres()
            ? store::open_postgres({config_.store, node_name(config_), config_.data_dir + "/node",
                                    [this](const std::string& twin) {
                                      twin_ = twin;
                                      lost_ = true;
                                    }},
                                   clock_, registry_)
            : store::open_sqlite({config_.database()}, registry_);
    if (!store) return with_advice(store.error(), config_);
    store_ = *std::move(store);
    return {};
  }

  // A new one where secrets are sealed with another would let the server start, and nobody who signs in.
  Result<identity::MasterKey> open_master_key() {
    const std::string path = config_.master_key();
    Result<identity::MasterKey> master = identity::MasterKey::load(path);
    if (master || master.error().code != std::errc::no_such_file_or_directory) return master;
    const Result<store::IdentityRows> rows = store_->identity_rows();
    if (!rows) return with_advice(rows.error(), config_);
    if (rows->keys.empty()) return identity::MasterKey::load_or_make(path);
    const char* const from = config_.on_postgres() ? "Copy it from another node, or put it back from a backup"
                                                   : "Put it back from a backup";
    return fail(Errc::kRefused, path + " is missing, with which " + std::to_string(rows->keys.size()) +
                                    " access keys are sealed.\n" + from +
                                    ". Without one, make another, and then these keys anew:\n  (umask 077;"
                                    " openssl rand -hex 32 > " +
                                    path + ")");
  }

  // Nodes with different keys would not take each other's sessions, nor open what the others have sealed. Of
  // phones that know only one adbkey no more can be said than that: there may be none.
  Result<> compare_keys(const identity::MasterKey& master) {
    if (store_->cluster() == nullptr) return {};
    constexpr std::string_view kNodes = "nodes";
    const std::string adb_key = keys_->keys().front()->public_line("drover");
    const Result<std::string> mark = store_->cluster()->agree_on_mark(master.seal(adb_key, kNodes));
    if (!mark) return with_advice(mark.error(), config_);
    const Result<std::string> theirs = master.unseal(*mark, kNodes);
    if (theirs && *theirs != adb_key)
      spdlog::warn(
          "{} is not the adbkey of the nodes that serve from this database: phones that trust only"
          " theirs will be unauthorized here. Copy theirs there, or have the phones trust both",
          config_.adb.key);
    if (theirs) return {};
    return fail(Errc::kRefused, config_.master_key() +
                                    " is not the key of the nodes that serve from this database.\nCopy theirs"
                                    " there, and their adbkey to " +
                                    config_.adb.key + ".");
  }

  // The project that needs no naming exists from the first start on.
  Result<> open_identity() {
    const Result<identity::MasterKey> master = open_master_key();
    if (!master) return Failure(master.error());
    if (auto same = compare_keys(*master); !same) return same;
    identity::IdentityOptions options;
    options.session_lifetime = Seconds(config_.auth.session_lifetime_s);
    Result<std::unique_ptr<identity::Identity>> identity =
        identity::Identity::load(clock_, *store_, *master, options);
    if (!identity) return with_advice(identity.error(), config_);
    identity_ = *std::move(identity);
    if (!identity_->projects().empty()) return {};
    std::promise<Result<store::Project>> promise;
    identity_->create_project("default", {}, false,
                              [&](Result<store::Project> made) { promise.set_value(std::move(made)); });
    const Result<store::Project> made = promise.get_future().get();
    if (made) return {};
    if (made.error().code != store::Errc::kExists) return with_advice(made.error(), config_);
    return read_identity_again();
  }

  // Another node starts at the same moment, and was first.
  Result<> read_identity_again() {
    Result<store::IdentityRows> rows = store_->identity_rows();
    if (!rows) return with_advice(rows.error(), config_);
    identity_->reload(*std::move(rows));
    return {};
  }

  // No request made it, and the audit log names every user's beginning.
  void enter_administrator() {
    store::AuditEntry entry;
    entry.at_ms = clock_.unix_ms();
    entry.actor = "local";
    entry.address = "local";
    entry.action = "drover:user:create";
    entry.subject = administrator_->name;
    entry.status = 200;
    std::promise<Result<>> durable;
    store_->add_audit({std::move(entry)},
                      [&durable](const Result<>& written) { durable.set_value(written); });
    // The password is shown all the same: there is no other time for it.
    if (const Result<> written = durable.get_future().get(); !written)
      spdlog::error("the audit log has no entry of the user {}: {}", administrator_->name,
                    written.error().message);
  }

  // Nothing if there is a user.
  Result<> make_administrator() {
    if (!identity_->users().empty()) return {};
    std::string password;
    if (!config_.auth.admin_password_file.empty()) {
      Result<std::string> file = read_whole_file(config_.auth.admin_password_file, kMaxPasswordFile);
      if (!file)
        return Failure(Error{file.error().code, "auth.admin_password_file: " + file.error().message});
      password = file->substr(0, file->find_first_of("\r\n"));
      if (password.empty())
        return fail(Errc::kUsage, "auth.admin_password_file: " + config_.auth.admin_password_file +
                                      ": its first line is empty");
    }
    auto made = identity_->make_first_administrator(password);
    if (!made && made.error().code == store::Errc::kExists) return read_identity_again();
    if (!made) {
      if (made.error().code != identity::Errc::kBadPassword) return with_advice(made.error(), config_);
      return Failure(Error{
          made.error().code,
          "auth.admin_password_file: " + config_.auth.admin_password_file + ": " + made.error().message});
    }
    administrator_ = *std::move(made);
    if (!administrator_) return {};
    spdlog::info("made the user {}, administrator of all projects", administrator_->name);
    enter_administrator();
    return {};
  }

  Result<> make_engine() {
    Result<std::vector<store::Instance>> instances = store_->instances();
    if (!instances) return with_advice(instances.error(), config_);
    instances_ = instances->size();
    if (instances_ > phones_) {
      spdlog::warn(
          "{} instances need more descriptors than this process may have: raise its limit (ulimit -n, "
          "LimitNOFILE=)",
          instances_);
    }
    Loop& loop = thread_.loop();
    call_on(loop, [&] {
      fleet_ = std::make_unique<fleet::Fleet>(loop, *store_, keys_, registry_);
      engine_ = task::make_engine(loop, *fleet_, *store_, engine_options(), registry_);
    });
    known_instances_ = *std::move(instances);
    return {};
  }

  Result<> start_engine() {
    auto instances = std::exchange(known_instances_, {});
    const Result<std::int64_t> newest_ms =
        store_->cluster() != nullptr ? join(std::move(instances)) : recover(std::move(instances));
    if (!newest_ms) return with_advice(newest_ms.error(), config_);
    Loop& loop = thread_.loop();
    call_on(loop, [&] {
      retention_ = std::make_unique<task::Retention>(loop, *store_, retention_options(), *newest_ms);
      retention_->start();
    });
    return {};
  }

  // The only node of its store. When the newest task was accepted.
  Result<std::int64_t> recover(std::vector<store::Instance> instances) {
    Result<store::Recovery> recovery = store_->recover();
    if (!recovery) return Failure(std::move(recovery.error()));
    const std::int64_t newest_ms = recovery->newest_ms;
    call_on(thread_.loop(), [&] {
      engine_->recover(*std::move(recovery));
      fleet_->start(std::move(instances));
    });
    return newest_ms;
  }

  // One of several. Likewise.
  Result<std::int64_t> join(std::vector<store::Instance> instances) {
    call_on(thread_.loop(), [&] { fleet_->start(std::move(instances)); });
    const auto on_directory = [this](store::DirectoryChange change, std::function<void()> done) {
      if (change.identity) identity_->reload(*std::move(change.identity));
      if (!change.instances) return done();
      thread_.loop().post([this, changes = *std::move(change.instances), done = std::move(done)]() mutable {
        fleet_->apply(std::move(changes));
        done();
      });
    };
    const auto joined = store_->cluster()->join(engine_->shard_events(), on_directory);
    if (!joined) return Failure(joined.error());
    spdlog::info("node {} serves {} of {} shards", node_name(config_), joined->shards, store::kShards);
    return joined->newest_ms;
  }

  task::EngineOptions engine_options() const {
    task::EngineOptions options;
    options.max_output = static_cast<std::size_t>(config_.jobs.max_output);
    options.output_memory = static_cast<std::size_t>(config_.jobs.output_memory);
    options.max_queued_jobs = static_cast<std::uint64_t>(config_.jobs.max_queued);
    options.max_queued_jobs_per_project = static_cast<std::uint64_t>(config_.jobs.max_queued_per_project);
    options.queue_memory = static_cast<std::size_t>(config_.jobs.queue_memory);
    options.cache_bytes = static_cast<std::size_t>(config_.jobs.cache_bytes);
    return options;
  }

  task::RetentionOptions retention_options() const {
    return {Seconds(config_.retention.days * 24 * 3600), static_cast<std::uint64_t>(config_.retention.jobs),
            Seconds(config_.retention.audit_days * 24 * 3600)};
  }

  // Nobody is answered yet.
  Result<> listen() {
    api::ApiOptions options;
    options.ready = [this]() -> Result<> {
      if (draining_) return fail(Errc::kRefused, "the server is stopping");
      const store::Cluster* const cluster = store_->cluster();
      if (!store_->takes_writes() || (cluster != nullptr && !cluster->trusted()))
        return fail(Errc::kRefused, "the database cannot be used now: this node's log says why");
      return {};
    };
    options.project_rate = static_cast<std::uint32_t>(config_.limits.project_rate);
    options.user_rate = static_cast<std::uint32_t>(config_.limits.user_rate);
    api_ = std::make_unique<api::Api>(clock_, *engine_, *fleet_, *identity_, *store_, registry_,
                                      std::move(options));
    api_->add_routes(router_);

    http::ServerOptions server;
    server.address = config_.http.address;
    server.port = static_cast<std::uint16_t>(config_.http.port);
    server.unix_socket = config_.socket();
    server.tls = {config_.http.tls_certificate, config_.http.tls_key, config_.http.tls_client_ca};
    server.threads = static_cast<unsigned>(config_.http.threads);
    server.max_connections = connections_;
    server.body_memory = server.answer_memory = static_cast<std::size_t>(config_.http.memory / 2);
    server.access_log = config_.http.access_log;
    Result<std::unique_ptr<http::Server>> listening =
        http::Server::listen(clock_, server, router_, registry_);
    if (!listening) return Failure(listening.error());
    server_ = *std::move(listening);
    return {};
  }

  // Destroyed from below: the rooms first, then the loop whose last handlers may still hold requests, then
  // the server that these belong to.
  const Config config_;
  const Clock clock_;
  std::size_t connections_ = 0;
  std::size_t phones_ = 0;
  std::size_t instances_ = 0;
  std::atomic<bool> draining_{false};
  std::string twin_;  // set before lost_
  std::atomic<bool> lost_{false};
  bool stopped_ = false;
  std::vector<store::Instance> known_instances_;  // until the engine starts
  std::optional<identity::FirstAdministrator> administrator_;
  prometheus::Registry registry_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::shared_ptr<const adb::KeyRing> keys_;
  std::unique_ptr<store::Store> store_;
  LoopThread thread_{clock_, "engine"};
  std::unique_ptr<identity::Identity> identity_;
  std::unique_ptr<fleet::Fleet> fleet_;
  std::unique_ptr<task::Engine> engine_;
  std::unique_ptr<task::Retention> retention_;
  std::unique_ptr<api::Api> api_;
};

}  // namespace

std::size_t phones_for(const Config& config, std::size_t descriptors) {
  const std::size_t taken = connections_for(config, descriptors) + kOtherDescriptors;
  return descriptors > taken ? descriptors - taken : 0;
}

Result<std::unique_ptr<Node>> Node::start(const Config& config, std::size_t descriptors,
                                          const std::function<void()>& about_to_work) {
  auto node = std::make_unique<NodeImpl>(config);
  if (Result<> built = node->build(descriptors, about_to_work); !built)
    return Failure(std::move(built.error()));
  return node;
}

}  // namespace drover::cli
