// One HTTP thread: its loop, its connections, and what they share so that a request needs no lock and little
// memory.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "http/access_log.h"
#include "http/answer.h"
#include "http/certificate_watch.h"
#include "http/exchange.h"
#include "http/mailbox.h"
#include "http/metrics.h"
#include "http/poller.h"
#include "http/request_id.h"
#include "http/server.h"

namespace drover::http {

class Connection;

// What all threads of a server have in common.
struct Shared {
  Shared(const Clock& c, ServerOptions o, const Router::Impl& r, prometheus::Registry& registry)
      : clock(c), options(std::move(o)), router(r), metrics(registry, r) {}

  // Count open connections, those on their way to another thread included.
  void opened(bool over_limit);
  void closed(bool over_limit);
  // False if some are still open after `patience`.
  bool wait_until_none(Millis patience);

  const Clock& clock;
  const ServerOptions options;
  const Router::Impl& router;
  Metrics metrics;
  std::unique_ptr<CertificateWatch> certificates;  // null: plain; set before the threads begin
  std::atomic<std::size_t> open{0};
  std::atomic<std::size_t> over_limit{0};    // of these, only open to be told that there are too many
  std::atomic<std::size_t> body_bytes{0};    // of options.body_memory
  std::atomic<std::size_t> answer_bytes{0};  // of options.answer_memory

 private:
  std::mutex mutex_;
  std::condition_variable none_;
};

// An accepted socket.
struct Accepted {
  int fd = -1;
  bool local = false;
  bool over_limit = false;  // only to be told so
  std::string peer;
};

class Worker {
 public:
  Worker(Shared& shared, const char* thread_name);
  // The loop must have been joined.
  ~Worker();
  bool good() const { return poller_.good(); }

  Loop& loop() { return thread_.loop(); }
  LoopThread& thread() { return thread_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  // All following: the loop's thread only.

  void adopt(Accepted socket);
  // Requests under way are answered, all else is closed, now and from now on.
  void drain();
  bool draining() const { return draining_; }
  void close_all();

  // For connections.
  Shared& shared() { return shared_; }
  const ServerOptions& options() const { return shared_.options; }
  Poller& poller() { return poller_; }
  SteadyTime now() const { return shared_.clock.steady(); }
  std::string_view date(SteadyTime now) { return dates_.get(now); }
  std::string_view make_request_id() { return ids_.next(); }
  std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);
  void record(std::size_t route, Verb verb, const AccessEntry& entry);
  bool in_handler() const { return in_handler_; }
  void set_in_handler(bool in) { in_handler_ = in; }
  // Connections whose answers wait for room, the one that took none of its for longest first.
  using SlowReaders = std::list<Connection*>;
  // With an answer of so many bytes. May close others for it.
  SlowReaders::iterator add_slow_reader(Connection& connection, std::size_t bytes);
  void slow_reader_took(SlowReaders::iterator reader) {
    slow_readers_.splice(slow_readers_.end(), slow_readers_, reader);
  }
  void remove_slow_reader(SlowReaders::iterator reader, std::size_t bytes);
  // Destroys the connection once nothing of it is running.
  void forget(Connection& connection);

 private:
  Shared& shared_;
  LoopThread thread_;
  Poller poller_;
  std::shared_ptr<Mailbox> mailbox_;
  DateCache dates_;
  RequestIdMaker ids_;
  RequestCounter requests_;
  AccessLog log_;
  std::vector<std::unique_ptr<Exchange>> spare_;
  std::vector<std::shared_ptr<Connection>> connections_;  // each knows its place
  std::vector<std::shared_ptr<Connection>> forgotten_;
  SlowReaders slow_readers_;
  bool draining_ = false;
  bool in_handler_ = false;
};

}  // namespace drover::http
