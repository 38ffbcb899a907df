// One client's connection: reads its requests one after another and answers them.
//
//   (securing ->) reading -> handling -> writing (-> resting) -> reading ...
//
// The loop's thread only, except where said. Outlives its socket as long as a handler may read its request.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/timer_wheel.h"
#include "http/answer.h"
#include "http/exchange.h"
#include "http/message.h"
#include "http/poller.h"
#include "http/transport.h"
#include "http/worker.h"

namespace drover::http {

class Connection final : public Poller::Watcher, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, Accepted socket, std::size_t place);
  ~Connection() override;

  // Beyond max_connections it says 503 and closes.
  void start();
  // The answer to the request under way; nothing means that there will be none.
  void answer(std::optional<Response> response);
  // Closes as soon as no request is under way.
  void drain();
  // At once. The handler that is under way, if any, keeps its request.
  void close();
  // The same, and the kernel forgets what the client has not taken.
  void cut_off();

  // Any thread.
  void give_answer(std::optional<Response> response);
  // Before that, and only on a thread that has the time.
  void compress_long(Response& response) const;
  bool gone() const { return gone_.load(std::memory_order_relaxed); }

  // Where the worker keeps it.
  std::size_t place() const { return place_; }
  void set_place(std::size_t place) { place_ = place; }

 private:
  enum class Phase {
    kSecuring,   // agrees on TLS
    kReading,    // waits for a request, or for the rest of one
    kHandling,   // the handler has it
    kWriting,    // the answer is on its way
    kResting,    // was refused because there is too much to do, and is not read for a moment
    kLingering,  // all is said; takes what the client still sends, so that it can read the answer before a
                 // reset
    kClosed,
  };
  enum class Timed { kIdle, kHead, kBody };

  void on_ready(std::uint32_t events) override;
  void run();
  bool turn_is_over();
  bool let_others_in();

  // These, and read_request(), write_answer() and discard_input(), return false when there is nothing to do
  // before the next event.
  bool secure();
  bool open_tls();
  void count_failed_handshake();
  void handshake_failed(const char* why);
  void refuse_plain();
  void welcome();

  bool read_request();
  bool receive();
  void begin_exchange();
  bool wait_for_input();
  void input_ended();
  void head_arrived();
  const Route* find_route();
  void heed_expectation();
  void dispatch();

  void refuse(unsigned status, std::string_view message, std::string allow = {});
  void refuse(Response response);
  void refuse_early(unsigned status, std::string_view message);
  bool charge_body();
  void release_body();
  Response make_error(unsigned status, std::string_view message) const;
  void set_answer(Response response);
  bool write_answer();
  void wait_to_write();
  void stop_waiting_to_write();
  void answer_written();
  bool needs_rest() const;
  void record(unsigned status);

  void linger();
  bool discard_input();

  void expect_before(SteadyTime deadline);
  void time_passed();
  void release_exchange();
  bool begun() const { return exchange_ && exchange_->begun(); }

  Worker& worker_;  // gone when the server is: not used once closed
  const std::shared_ptr<Mailbox> mailbox_;
  std::size_t place_;
  Transport transport_;
  const bool local_;
  const bool over_limit_;
  const std::string peer_;

  Phase phase_;
  const std::uint32_t events_;  // that it always waits for
  bool readable_ = false;       // a read may find something
  bool half_closed_ = false;    // the client will send no more: read until the end shows
  bool write_armed_ = false;    // waiting for room to write
  bool in_handler_ = false;
  bool keep_ = true;            // the connection stays after this answer
  bool unread_ = false;         // part of a request will not be read
  bool continuing_ = false;     // what is being written is "100 Continue"
  bool unparsed_ = false;       // bytes have come that were not looked at
  Timed timed_ = Timed::kIdle;  // what the deadline is for while reading
  bool waits_turn_ = false;     // will go on when others had their turn
  unsigned steps_ = 0;          // reads and requests in this turn
  std::atomic<bool> gone_{false};

  std::unique_ptr<Exchange> exchange_;
  std::size_t route_ = 0;  // for the metrics
  SteadyTime began_{};     // the request's first byte
  SteadyTime now_{};       // when this turn began
  Response response_;
  bool send_body_ = false;
  std::size_t sent_ = 0;
  std::size_t taken_ = 0;          // of these, when the client was last seen to take some
  std::size_t body_charge_ = 0;    // counted in Shared::body_bytes
  std::size_t answer_charge_ = 0;  // counted in Shared::answer_bytes while write_armed_
  Worker::SlowReaders::iterator slow_reader_{};

  Timer timer_;
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime timer_due_{};
};

}  // namespace drover::http
