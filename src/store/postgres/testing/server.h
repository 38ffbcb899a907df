// For tests: a PostgreSQL server of their own, with the binaries that Debian installs.
//
// A server starts from a copy of a data folder that the first user makes and leaves in the temp folder, so
// that a process has its server in a fraction of a second. Nobody but the test reaches it, and nothing of it
// stays: a watchdog ends the server and removes its folder when the test ends, however it ends.
#pragma once

#include <libpq-fe.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace drover::store::postgres {

// Who runs the server, which refuses to run as root: this user, or for root an unprivileged one.
struct ServerUser {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();

  static ServerUser pick() {
    if (::geteuid() != 0) return {};
    for (const char* name : {"postgres", "nobody"})
      if (const passwd* found = ::getpwnam(name)) return {found->pw_uid, found->pw_gid};
    throw std::runtime_error("PostgreSQL does not run as root, and there is no user postgres or nobody");
  }
};

// A child process that runs `command` (which must be a full path) as `user`. Its streams go to `log`.
inline pid_t spawn(const std::vector<std::string>& command, const ServerUser& user, const std::string& log,
                   int in = -1) {
  std::vector<char*> args;
  args.reserve(command.size() + 1);
  for (const std::string& arg : command) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  // Other threads may be running: only calls that are safe after a signal from here on.
  ::setsid();
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  ::dup2(in >= 0 ? in : ::open("/dev/null", O_RDONLY), 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (::geteuid() == 0 && user.uid != 0 &&
      (::setgroups(0, nullptr) != 0 || ::setgid(user.gid) != 0 || ::setuid(user.uid) != 0))
    ::_exit(126);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(args[0], args.data());
  ::_exit(127);
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void run_to_end(const std::vector<std::string>& command, const ServerUser& user,
                       const std::string& log) {
  int status = 0;
  const pid_t pid = spawn(command, user, log);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) throw std::runtime_error(command[0] + " failed: " + read_file(log));
}

// Throws std::runtime_error where something fails. From one thread at a time.
class TestServer {
 public:
  struct Options {
    bool fsync = false;  // what is committed survives a power cut; killing the server never costs anything
    std::vector<std::string> settings;  // "name=value", over the defaults
  };

  TestServer() : TestServer(Options{}) {}
  explicit TestServer(Options options) : options_(std::move(options)), user_(ServerUser::pick()) {
    // Connections log on threads of their own. The thread sanitizer does not see that spdlog, which is not
    // built with it, makes what all of them share but once; so that is made here.
    (void)spdlog::default_logger_raw();
    const std::string bin = bin_folder();
    postgres_ = bin + "/postgres";
    make_folder();
    try {
      copy_template(bin);
      start();
    } catch (...) {
      end();
      throw;
    }
  }
  ~TestServer() { end(); }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  // The server that tests of this process share, running. Who breaks a server breaks one of his own.
  static TestServer& shared() {
    static TestServer server;
    return server;
  }

  // A new empty database; gives its name.
  std::string create_database() {
    std::string name = "test" + std::to_string(++databases_);
    execute("postgres", "CREATE DATABASE " + name);
    return name;
  }

  // How libpq reaches a database, through the socket in the server's folder or over TCP.
  std::string conninfo(const std::string& database) const { return conninfo_by(folder_, database); }
  std::string tcp_conninfo(const std::string& database) const { return conninfo_by("127.0.0.1", database); }
  int port() const { return port_; }

  // Runs commands, and gives the first value that came.
  std::string execute(const std::string& database, const std::string& sql) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo(database).c_str()),
                                                                  PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()),
                                                               PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)
      throw std::runtime_error(sql + ": " + PQerrorMessage(connection.get()));
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
  }

  // Returns when the server takes connections. The port stays the same from start to start.
  void start() {
    if (pid_ > 0) return;
    // A process that was killed may hold the data folder for a moment, and others may have taken the port.
    for (int attempt = 0;; ++attempt) {
      if (port_ == 0) port_ = free_port();
      pid_ = spawn(command(), user_, log());
      if (wait_until_ready()) return;
      if (attempt == 20) throw std::runtime_error("PostgreSQL does not start: " + read_file(log()));
      if (!started_) port_ = 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  // In good order: clients are cut off, what they committed is written to its place.
  void stop() { signal_and_wait(SIGINT); }
  // As `kill -9` of all its processes.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGSTOP);  // so that no new ones come
    const std::vector<pid_t> all = backends();
    signal_and_wait(SIGKILL);
    for (const pid_t pid : all) ::kill(pid, SIGKILL);
  }
  void restart() {
    stop();
    start();
  }
  // As a machine that hangs: connections stay, nothing answers, until thaw().
  void freeze() {
    ::kill(pid_, SIGSTOP);
    for (const pid_t pid : backends()) ::kill(pid, SIGSTOP);
  }
  void thaw() {
    for (const pid_t pid : backends()) ::kill(pid, SIGCONT);
    ::kill(pid_, SIGCONT);
  }

  const std::string& folder() const { return folder_; }
  std::string log() const { return folder_ + "/log"; }

  static std::string bin_folder() {
    std::string debian = "/usr/lib/postgresql/15/bin";
    if (std::filesystem::exists(debian + "/postgres")) return debian;
    if (FILE* pipe = ::popen("pg_config --bindir 2>/dev/null", "r")) {
      char line[1024] = "";
      const bool read = std::fgets(line, sizeof line, pipe) != nullptr;
      ::pclose(pipe);
      if (read) {
        std::string found(line, std::strcspn(line, "\n"));
        if (std::filesystem::exists(found + "/postgres")) return found;
      }
    }
    throw std::runtime_error(
        "PostgreSQL's server is not installed, and tests need it: run scripts/install-packages test");
  }

 private:
  static constexpr const char* kWatchdog = R"sh(
    cat >/dev/null
    pidfile="$1/data/postmaster.pid"
    runs() { [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
    if pid=$(head -n 1 "$pidfile" 2>/dev/null) && [ -n "$pid" ]; then
      segment=$(sed -n 7p "$pidfile" | awk '{print $2}')
      if runs "$1"; then
        children=$(cat "/proc/$pid/task/$pid/children")
        kill -QUIT "$pid"
        kill -CONT "$pid" $children
        for i in $(seq 500); do runs "$1" || break; sleep 0.01; done
        runs "$1" && kill -KILL "$pid" $children
      fi
      [ -n "$segment" ] && ipcs -m -i "$segment" 2>/dev/null | grep -q "uid=$2\b" && ipcrm -m "$segment"
    fi
    rm -rf "$1"
  )sh";

  // In memory where there is plenty of it, unless the disk is what it is about: a thousand files are copied.
  std::filesystem::path base_folder() const {
    std::filesystem::path memory = "/dev/shm";
    std::error_code none;
    if (!options_.fsync && ::access(memory.c_str(), W_OK) == 0 &&
        std::filesystem::space(memory, none).available > (std::uint64_t{1} << 30) && !none)
      return memory;
    return std::filesystem::temp_directory_path();
  }

  void make_folder() {
    std::string pattern = (base_folder() / "drover-postgres-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + pattern);
    folder_ = pattern;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    // Not as the server's user: what it must end and remove may be of both.
    watchdog_ = spawn({"/bin/sh", "-c", kWatchdog, "watchdog", folder_, std::to_string(user_.uid)},
                      ServerUser{}, "/dev/null", ends[0]);
    ::close(ends[0]);
    alive_ = ends[1];
    if (::chown(folder_.c_str(), user_.uid, user_.gid) != 0)
      throw std::runtime_error("chown failed: " + folder_);
  }

  // Whoever comes first makes the template under a lock; it is complete once it has its name.
  void copy_template(const std::string& bin) {
    struct stat binary {};
    ::stat(postgres_.c_str(), &binary);
    const std::string name = "drover-postgres-template-" + std::to_string(user_.uid) + "-" +
                             std::to_string(binary.st_mtime) + "-" + std::to_string(binary.st_size);
    const std::string made = (base_folder() / name).string();
    struct stat status {};
    if (::stat(made.c_str(), &status) != 0) {
      const int lock = ::open((made + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (lock < 0 || ::flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + made + ".lock");
      if (::stat(made.c_str(), &status) != 0) {
        const std::string fresh = folder_ + "/data";
        run_to_end({bin + "/initdb", "-D", fresh, "-U", "drover", "--auth=trust", "--encoding=UTF8",
                    "--locale=C", "--wal-segsize=1", "--no-sync", "--no-instructions"},
                   user_, folder_ + "/initdb.log");
        std::filesystem::remove_all(made + ".new");  // of one that was interrupted
        run_to_end({"/bin/cp", "-a", fresh, made + ".new"}, ServerUser{}, folder_ + "/cp.log");
        std::filesystem::rename(made + ".new", made);
      }
      ::close(lock);
    }
    if (::stat(made.c_str(), &status) != 0 || status.st_uid != user_.uid)
      throw std::runtime_error(made + " belongs to somebody else");
    std::filesystem::remove_all(folder_ + "/data");
    run_to_end({"/bin/cp", "-a", "--reflink=auto", made, folder_ + "/data"}, user_, folder_ + "/cp.log");
  }

  std::vector<std::string> command() const {
    std::vector<std::string> command{postgres_, "-D", folder_ + "/data"};
    const std::string on_disk = options_.fsync ? "on" : "off";
    std::vector<std::string> settings{
        "port=" + std::to_string(port_), "listen_addresses=127.0.0.1", "unix_socket_directories=" + folder_,
        "fsync=" + on_disk, "full_page_writes=" + on_disk,
        // What is killed leaves nothing outside of the folder.
        "dynamic_shared_memory_type=mmap", "shared_buffers=16MB", "max_connections=50", "wal_level=minimal",
        "max_wal_senders=0", "jit=off", "autovacuum=off"};
    settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
    for (std::string& setting : settings) {
      command.emplace_back("-c");
      command.push_back(std::move(setting));
    }
    return command;
  }

  std::string conninfo_by(const std::string& host, const std::string& database) const {
    return "host=" + host + " port=" + std::to_string(port_) + " user=drover dbname=" + database;
  }

  // Below the ports that the kernel gives out, so that none is taken from under a server that is stopped.
  static int free_port() {
    std::random_device random;
    for (;;) {
      const int port = 12'000 + static_cast<int>(random() % 20'000);
      const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const bool free = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      ::close(probe);
      if (free) return port;
    }
  }

  // False: it has ended.
  bool wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const std::string to = conninfo("postgres") + " connect_timeout=10";
    while (std::chrono::steady_clock::now() < deadline) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return false;
      }
      if (PQping(to.c_str()) == PQPING_OK) return started_ = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    throw std::runtime_error("PostgreSQL does not answer: " + read_file(log()));
  }

  std::vector<pid_t> backends() const {
    const std::string pid = std::to_string(pid_);
    std::istringstream list(read_file("/proc/" + pid + "/task/" + pid + "/children"));
    return {std::istream_iterator<pid_t>(list), {}};
  }

  void signal_and_wait(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  // By the watchdog, as when the test crashes.
  void end() {
    if (alive_ >= 0) ::close(alive_);
    for (const pid_t pid : {watchdog_, pid_})
      while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    alive_ = watchdog_ = pid_ = -1;
  }

  const Options options_;
  const ServerUser user_;
  std::string postgres_;
  std::string folder_;
  int port_ = 0;
  bool started_ = false;
  int databases_ = 0;
  pid_t pid_ = -1;
  pid_t watchdog_ = -1;
  int alive_ = -1;  // the watchdog acts when this end of its pipe is closed
};

}  // namespace drover::store::postgres
