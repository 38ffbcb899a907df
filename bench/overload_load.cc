// An open-loop load for a running Drover: tasks are sent at a given rate, however the server answers.
//
//   overload_load PORT TOKEN PHONES JOBS CONNECTIONS RATE SECONDS
//
// JOBS instances a task, chosen in turn among sim-00000 and up. RATE in tasks/s; 0: closed loop, each
// connection sends its next request when it has its answer, and sends a refused one again after 20 ms. A
// connection whose answers are late sends later ones all the same, pipelined; Retry-After is not heeded.
// Every hundredth accepted task is also asked for, with ?wait=30, until it has ended. Prints one JSON line;
// times in ms are from when a request was due.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kPipelined =
    64;  // unanswered requests of one connection; what is due beyond is dropped
constexpr std::uint64_t kAskedFor = 100;  // one accepted task in so many
constexpr std::size_t kAskers = 16;       // connections for that
constexpr double kRefusedPause = 0.02;    // seconds
constexpr double kAskPatience = 30;       // seconds

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "overload_load: %s\n", what.c_str());
  std::exit(1);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("cannot connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

struct Answer {
  int status = 0;
  std::string body;
};

// A keep-alive connection that never blocks.
class Connection {
 public:
  explicit Connection(int port) : fd_(connect_to(port)) {}
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  bool unsent() const { return !out_.empty(); }

  void send_more(const std::string& bytes) {
    out_ += bytes;
    flush();
  }
  void flush() {
    while (!out_.empty()) {
      const ssize_t n = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) die("the server closed a connection");
      out_.erase(0, static_cast<std::size_t>(n));
    }
  }
  void receive() {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    in_.append(buffer, static_cast<std::size_t>(n));
  }
  bool next(Answer& answer) {
    const std::size_t head = in_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const std::size_t at = in_.find("Content-Length: ");
    if (at > head) die("no Content-Length");
    const std::size_t length = std::strtoul(in_.c_str() + at + 16, nullptr, 10);
    if (in_.size() < head + 4 + length) return false;
    answer.status = std::atoi(in_.c_str() + 9);
    answer.body = in_.substr(head + 4, length);
    in_.erase(0, head + 4 + length);
    return true;
  }

 private:
  int fd_;
  std::string out_;
  std::string in_;
};

// One that sends tasks, and when the unanswered ones were due.
struct Sender {
  explicit Sender(int port) : connection(port) {}
  Connection connection;
  std::deque<double> due;
};

// One that asks for accepted tasks, one at a time.
struct Asker {
  explicit Asker(int port) : connection(port) {}
  Connection connection;
  std::string task;  // empty: free
  double due = 0;
};

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at] * 1000;
}

class Load {
 public:
  Load(int port, std::string token, std::size_t phones, std::size_t jobs, std::size_t connections,
       double rate)
      : token_(std::move(token)), phones_(phones), jobs_(jobs), rate_(rate), epoll_(epoll_create1(0)) {
    for (std::size_t i = 0; i < connections; ++i) {
      senders_.push_back(std::make_unique<Sender>(port));
      watch(senders_.back()->connection.fd(), i);
    }
    for (std::size_t i = 0; i < kAskers; ++i) {
      askers_.push_back(std::make_unique<Asker>(port));
      watch(askers_.back()->connection.fd(), connections + i);
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(1, phones / jobs); ++i)
      posts_.push_back(make_post(i * jobs));
  }

  void run(double seconds) {
    const double begin = now();
    const double end = begin + seconds;
    next_due_ = begin;
    if (rate_ == 0) {
      for (auto& sender : senders_) post(*sender, begin);
    }
    while (now() < end) {
      send_due();
      turn(1);  // and then sends what has become due: the cores are for others
    }
    stopped_ = true;
    // What was sent is answered, what was accepted ends.
    const double patience = now() + kAskPatience;
    while (now() < patience && (busy() || !to_ask_.empty())) turn(10);
    seconds_ = seconds;
  }

  void print() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    std::printf(
        "{\"seconds\":%.3f,\"sent\":%zu,\"accepted\":%zu,\"refused\":%zu,\"other\":%zu,\"not_sent\":%zu,"
        "\"accept_p50_ms\":%.2f,\"accept_p99_ms\":%.2f,\"refuse_p50_ms\":%.2f,\"refuse_p99_ms\":%.2f,"
        "\"ended_p50_ms\":%.2f,\"ended_p99_ms\":%.2f,\"asked\":%zu,\"failed\":%zu,\"cpu_s\":%.2f}\n",
        seconds_, sent_, accepted_.size(), refused_.size(), other_, not_sent_, percentile(accepted_, 0.5),
        percentile(accepted_, 0.99), percentile(refused_, 0.5), percentile(refused_, 0.99),
        percentile(ended_, 0.5), percentile(ended_, 0.99), ended_.size(), failed_, cpu);
  }

 private:
  void watch(int fd, std::size_t number) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = number;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  std::string make_post(std::size_t first) const {
    std::string body = R"({"command":"getprop ro.build.version.release","instance_ids":[)";
    for (std::size_t i = 0; i < jobs_; ++i) {
      char id[32];
      std::snprintf(id, sizeof id, "%s\"sim-%05zu\"", i > 0 ? "," : "", (first + i) % phones_);
      body += id;
    }
    body += "]}";
    return "POST /v1/instances/async-command HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: " + token_ +
           "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }

  void post(Sender& sender, double due) {
    sender.due.push_back(due);
    sender.connection.send_more(posts_[sent_++ % posts_.size()]);
  }

  void send_due() {
    const double at = now();
    if (rate_ == 0) {
      for (; !again_.empty() && again_.front().first <= at; again_.pop_front())
        post(*again_.front().second, at);
      return;
    }
    for (; next_due_ <= at; next_due_ += 1 / rate_) {
      Sender& sender = *senders_[turn_++ % senders_.size()];
      if (sender.due.size() >= kPipelined) {
        ++not_sent_;
      } else {
        post(sender, next_due_);
      }
    }
  }

  void turn(int patience_ms) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, patience_ms);
    for (int i = 0; i < count; ++i) {
      const std::size_t number = events[i].data.u64;
      if (number < senders_.size()) {
        answers(*senders_[number]);
      } else {
        asked(*askers_[number - senders_.size()]);
      }
    }
    for (auto& sender : senders_) {
      if (sender->connection.unsent()) sender->connection.flush();
    }
  }

  void answers(Sender& sender) {
    sender.connection.receive();
    Answer answer;
    while (sender.connection.next(answer)) {
      const double due = sender.due.front();
      sender.due.pop_front();
      if (answer.status == 200) {
        accepted_.push_back(now() - due);
        if (accepted_.size() % kAskedFor == 0) ask_for(answer.body, due);
      } else if (answer.status == 503 || answer.status == 429) {
        refused_.push_back(now() - due);
      } else {
        ++other_;
      }
      if (rate_ > 0 || stopped_) continue;
      if (answer.status == 200) {
        post(sender, now());
      } else {
        again_.emplace_back(now() + kRefusedPause, &sender);
      }
    }
  }

  void ask_for(const std::string& body, double due) {
    const std::size_t at = body.find("\"task_id\":\"");
    if (at == std::string::npos) die("no task_id in " + body);
    to_ask_.emplace_back(body.substr(at + 11, 32), due);
    give_out();
  }
  void give_out() {
    for (auto& asker : askers_) {
      if (to_ask_.empty()) return;
      if (!asker->task.empty()) continue;
      asker->task = to_ask_.front().first;
      asker->due = to_ask_.front().second;
      to_ask_.pop_front();
      ask(*asker);
    }
  }
  void ask(Asker& asker) const {
    asker.connection.send_more("GET /v1/instances/tasks/" + asker.task +
                               "?wait=30 HTTP/1.1\r\nHost: localhost\r\n" + "X-Auth-Token: " + token_ +
                               "\r\n\r\n");
  }
  void asked(Asker& asker) {
    asker.connection.receive();
    Answer answer;
    while (asker.connection.next(answer)) {
      if (answer.body.find("\"status\":1,") != std::string::npos) {
        ask(asker);
        continue;
      }
      if (answer.status != 200 || answer.body.find("\"status\":-1,") != std::string::npos) ++failed_;
      ended_.push_back(now() - asker.due);
      asker.task.clear();
      give_out();
    }
  }
  bool busy() const {
    return std::any_of(senders_.begin(), senders_.end(), [](const auto& s) { return !s->due.empty(); }) ||
           std::any_of(askers_.begin(), askers_.end(), [](const auto& a) { return !a->task.empty(); });
  }

  std::string token_;
  std::size_t phones_;
  std::size_t jobs_;
  double rate_;
  int epoll_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Asker>> askers_;
  std::vector<std::string> posts_;
  std::deque<std::pair<double, Sender*>> again_;
  std::deque<std::pair<std::string, double>> to_ask_;  // a task, and when its request was due
  double next_due_ = 0;
  double seconds_ = 0;
  std::size_t turn_ = 0;
  bool stopped_ = false;

  std::size_t sent_ = 0;
  std::size_t not_sent_ = 0;
  std::size_t other_ = 0;
  std::size_t failed_ = 0;
  std::vector<double> accepted_;
  std::vector<double> refused_;
  std::vector<double> ended_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: overload_load PORT TOKEN PHONES JOBS CONNECTIONS RATE SECONDS\n");
    return 2;
  }
  const auto number = [&](int i) { return static_cast<std::size_t>(std::atol(argv[i])); };
  Load load(std::atoi(argv[1]), argv[2], number(3), number(4), number(5), std::atof(argv[6]));
  load.run(std::atof(argv[7]));
  load.print();
  return 0;
}
