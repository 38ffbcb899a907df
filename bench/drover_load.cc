// Load for a running Drover, as a client of its KooPhone API makes it: keep-alive connections, a thread each.
//
//   drover_load run    PORT TOKEN PHONES ROUNDS CONNECTIONS   one command on every phone, ROUNDS times; each
//   round from
//                                                             the first POST until every job's end is stored
//   drover_load accept PORT TOKEN TASKS CONNECTIONS           TASKS tasks of 100 jobs, accepted as fast as
//   possible
//
// Instances are named sim-00000 and up. Prints one JSON line; jobs that did not succeed end it with exit
// code 1.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kJobsPerTask = 100;  // KooPhone's limit

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "drover_load: %s\n", what.c_str());
  std::exit(1);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One keep-alive connection; one request at a time.
class Client {
 public:
  Client(int port, std::string token) : token_(std::move(token)), fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("cannot connect");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The body of a 200; anything else ends the program.
  std::string call(const char* method, const std::string& path, const std::string& body) {
    std::string request =
        std::string(method) + " " + path + " HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: " + token_ +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    for (std::size_t sent = 0; sent < request.size();) {
      const ssize_t n = send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) die("the server closed the connection");
      sent += static_cast<std::size_t>(n);
    }
    std::size_t head = std::string::npos;
    while ((head = in_.find("\r\n\r\n")) == std::string::npos) fill();
    const std::size_t length = content_length(in_.substr(0, head));
    while (in_.size() < head + 4 + length) fill();
    std::string answer = in_.substr(head + 4, length);
    if (in_.compare(0, 12, "HTTP/1.1 200") != 0) die(in_.substr(0, in_.find('\r')) + ": " + answer);
    in_.erase(0, head + 4 + length);
    return answer;
  }

 private:
  void fill() {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) die("the server closed the connection");
    in_.append(buffer, static_cast<std::size_t>(n));
  }

  static std::size_t content_length(const std::string& head) {
    const std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) die("no Content-Length");
    return std::strtoul(head.c_str() + at + 16, nullptr, 10);
  }

  std::string token_;
  int fd_;
  std::string in_;
};

std::string task_body(std::size_t first, std::size_t jobs) {
  std::string body = R"({"command":"getprop ro.build.version.release","instance_ids":[)";
  for (std::size_t i = 0; i < jobs; ++i) {
    char id[32];
    std::snprintf(id, sizeof id, "%s\"sim-%05zu\"", i > 0 ? "," : "", first + i);
    body += id;
  }
  return body + "]}";
}

std::string task_id(const std::string& answer) {
  const std::size_t at = answer.find("\"task_id\":\"");
  if (at == std::string::npos) die("no task_id in " + answer);
  return answer.substr(at + 11, 32);
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// Runs `work(client, i)` for i below `items`, shared out among the clients' threads.
void share_out(std::vector<Client*>& clients, std::size_t items,
               const std::function<void(Client&, std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (Client* client : clients) {
    threads.emplace_back([&, client] {
      for (std::size_t i = next++; i < items; i = next++) work(*client, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

int run(std::vector<Client*>& clients, std::size_t phones, int rounds) {
  const std::size_t tasks = (phones + kJobsPerTask - 1) / kJobsPerTask;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < tasks; ++i) {
    bodies.push_back(task_body(i * kJobsPerTask, std::min(kJobsPerTask, phones - i * kJobsPerTask)));
  }
  std::string rates;
  std::atomic<std::size_t> failed{0};
  std::vector<std::string> ids(tasks);
  for (int round = -1; round < rounds; ++round) {  // the first is a warm-up, not counted
    const double begin = now();
    share_out(clients, tasks, [&](Client& client, std::size_t i) {
      ids[i] = task_id(client.call("POST", "/v1/instances/async-command", bodies[i]));
    });
    share_out(clients, tasks, [&](Client& client, std::size_t i) {
      const std::string path = "/v1/instances/tasks/" + ids[i] + "?wait=30";
      std::string answer;
      do {
        answer = client.call("GET", path, "");
      } while (answer.find("\"status\":1,") != std::string::npos);
      failed += count(answer, "\"status\":-1,");
    });
    const double rate = static_cast<double>(phones) / (now() - begin);
    if (round >= 0) rates += (round > 0 ? "," : "") + std::to_string(static_cast<long>(rate));
  }
  std::printf("{\"jobs_per_s\":[%s],\"failed\":%zu,\"last_task\":\"%s\"}\n", rates.c_str(), failed.load(),
              ids.back().c_str());
  return failed == 0 ? 0 : 1;
}

int accept(std::vector<Client*>& clients, std::size_t tasks) {
  const std::string body = task_body(0, kJobsPerTask);
  const double begin = now();
  share_out(clients, tasks, [&](Client& client, std::size_t) {
    task_id(client.call("POST", "/v1/instances/async-command", body));
  });
  std::printf("{\"tasks_per_s\":%.0f}\n", static_cast<double>(tasks) / (now() - begin));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if ((mode != "run" || argc != 7) && (mode != "accept" || argc != 6)) {
    std::fprintf(stderr,
                 "usage: drover_load run PORT TOKEN PHONES ROUNDS CONNECTIONS\n"
                 "       drover_load accept PORT TOKEN TASKS CONNECTIONS\n");
    return 2;
  }
  std::vector<Client*> clients;
  std::vector<std::unique_ptr<Client>> owned;
  for (int i = 0; i < std::atoi(argv[argc - 1]); ++i) {
    owned.push_back(std::make_unique<Client>(std::atoi(argv[2]), argv[3]));
    clients.push_back(owned.back().get());
  }
  const auto amount = static_cast<std::size_t>(std::atol(argv[4]));
  return mode == "run" ? run(clients, amount, std::atoi(argv[5])) : accept(clients, amount);
}
