// The floor that Drover is measured against: the least that a program can do to run one command on each of N
// phones. One thread, bare epoll, links already open, no HTTP, no store, no timers, and no more packets than
// the protocol needs: OPEN, then OKAY and CLSE together once the exit code has come.
//
//   adb_floor ADDRESS PORT PHONES ROUNDS [COMMAND]
//
// ADDRESS is the first phone's; the others follow it. Prints one JSON line: links/s, jobs/s of each round,
// CPU a job.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::uint32_t kCnxn = 0x4e584e43;
constexpr std::uint32_t kOpen = 0x4e45504f;
constexpr std::uint32_t kOkay = 0x59414b4f;
constexpr std::uint32_t kClse = 0x45534c43;
constexpr std::uint32_t kWrte = 0x45545257;
constexpr std::size_t kHeader = 24;
constexpr std::uint8_t kExit = 3;  // shell v2 packet id

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string packet(std::uint32_t command, std::uint32_t arg0, std::uint32_t arg1,
                   const std::string& payload = {}) {
  std::uint32_t sum = 0;
  for (const char c : payload) sum += static_cast<unsigned char>(c);
  const std::uint32_t header[6] = {command, arg0,    arg1, static_cast<std::uint32_t>(payload.size()),
                                   sum,     ~command};
  std::string out(reinterpret_cast<const char*>(header), sizeof header);
  return out += payload;
}

struct Phone {
  int fd = -1;
  std::string in;
  std::uint32_t stream = 0;
  std::uint32_t remote = 0;
  bool linked = false;
  bool done = false;
};

class Floor {
 public:
  Floor(const char* address, int port, std::size_t phones) : phones_(phones), epoll_(epoll_create1(0)) {
    in_addr first{};
    if (inet_pton(AF_INET, address, &first) != 1) die("address");
    first_ = ntohl(first.s_addr);
    port_ = port;
  }

  void link_all() {
    // Connected one after the other, with at most 256 handshakes under way.
    std::size_t next = 0;
    std::size_t linked = 0;
    while (linked < phones_.size()) {
      while (next < phones_.size() && next - linked < 256) connect(next++);
      linked += wait();
    }
  }

  void round(const std::string& command) {
    std::string service = "shell,v2,raw:" + command;
    service.push_back('\0');
    std::size_t done = 0;
    std::size_t begun = 0;
    // Half of the phones may be under way at once: with all at once queues only grow, with few the cores
    // idle.
    const std::size_t window = std::max<std::size_t>(256, phones_.size() / 2);
    while (done < phones_.size()) {
      for (std::size_t turn = 0; turn < 64 && begun < phones_.size() && begun - done < window;
           ++turn, ++begun) {
        Phone& phone = phones_[begun];
        phone.done = false;
        phone.remote = 0;
        write_all(phone, packet(kOpen, ++phone.stream, 0, service));
      }
      done += wait();
    }
  }

 private:
  void connect(std::size_t index) {
    Phone& phone = phones_[index];
    phone.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (phone.fd < 0) die("socket");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port_));
    to.sin_addr.s_addr = htonl(first_ + static_cast<std::uint32_t>(index));
    if (::connect(phone.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
    const int on = 1;
    setsockopt(phone.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(phone.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = &phone;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, phone.fd, &event) != 0) die("epoll_ctl");
    std::string banner = "host::features=shell_v2";
    write_all(phone, packet(kCnxn, 0x01000001, 262144, banner));
  }

  void write_all(Phone& phone, const std::string& bytes) {
    if (send(phone.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      die("send");
  }

  // Handles what is ready; returns how many phones came to be linked or done.
  std::size_t wait() {
    epoll_event events[256];
    const int n = epoll_wait(epoll_, events, 256, 30'000);
    if (n <= 0) die("epoll_wait: the phones fell silent");
    std::size_t progress = 0;
    for (int i = 0; i < n; ++i) progress += read(*static_cast<Phone*>(events[i].data.ptr)) ? 1 : 0;
    return progress;
  }

  bool read(Phone& phone) {
    for (;;) {
      const ssize_t n = recv(phone.fd, buffer_, sizeof buffer_, 0);
      if (n == 0) die("a phone closed the connection");
      if (n < 0) {
        if (errno == EAGAIN) break;
        die("recv");
      }
      phone.in.append(buffer_, static_cast<std::size_t>(n));
      if (static_cast<std::size_t>(n) < sizeof buffer_) break;
    }
    bool progress = false;
    std::size_t at = 0;
    while (phone.in.size() - at >= kHeader) {
      std::uint32_t header[6];
      std::memcpy(header, phone.in.data() + at, kHeader);
      if (phone.in.size() - at < kHeader + header[3]) break;
      progress |= handle(phone, header, phone.in.data() + at + kHeader);
      at += kHeader + header[3];
    }
    phone.in.erase(0, at);
    return progress;
  }

  bool handle(Phone& phone, const std::uint32_t* header, const char* payload) {
    if (header[0] == kCnxn) {
      phone.linked = true;
      return true;
    }
    if (header[2] != phone.stream || phone.done) return false;
    if (header[0] == kOkay) phone.remote = header[1];
    if (header[0] != kWrte) return false;
    // The exit packet of such a short answer is the last six bytes of one WRTE or a WRTE of its own.
    const std::uint32_t size = header[3];
    const bool exited = size >= 6 && static_cast<std::uint8_t>(payload[size - 6]) == kExit;
    std::string answer = packet(kOkay, phone.stream, header[1]);
    if (exited) answer += packet(kClse, phone.stream, header[1]);
    write_all(phone, answer);
    phone.done = exited;
    return exited;
  }

  std::vector<Phone> phones_;
  int epoll_;
  std::uint32_t first_ = 0;
  int port_ = 0;
  char buffer_[65536];
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: adb_floor ADDRESS PORT PHONES ROUNDS [COMMAND]\n");
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const auto phones = static_cast<std::size_t>(std::atol(argv[3]));
  const int rounds = std::atoi(argv[4]);
  const std::string command = argc > 5 ? argv[5] : "getprop ro.build.version.release";
  Floor floor(argv[1], std::atoi(argv[2]), phones);
  const double start = now();
  floor.link_all();
  const double links = static_cast<double>(phones) / (now() - start);
  floor.round(command);  // a warm-up, not counted

  std::string rates;
  const double cpu_before = cpu();
  for (int i = 0; i < rounds; ++i) {
    const double begin = now();
    floor.round(command);
    rates +=
        (i > 0 ? "," : "") + std::to_string(static_cast<long>(static_cast<double>(phones) / (now() - begin)));
  }
  const double cpu_us = 1e6 * (cpu() - cpu_before) / (static_cast<double>(phones) * rounds);
  std::printf("{\"links_per_s\":%.0f,\"jobs_per_s\":[%s],\"cpu_us_per_job\":%.1f}\n", links, rates.c_str(),
              cpu_us);
}
