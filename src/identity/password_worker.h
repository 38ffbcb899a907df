// Threads that hash passwords, because nothing else should wait while one is hashed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"

namespace drover::identity {

// Any thread. A hash keeps a core busy for about 10 ms and takes 19 MiB meanwhile, so the number of threads
// bounds what logins can take from everything else, and the queue how long the last one waits.
//
// Each `done` is called exactly once and must not block: on one of the threads here, or inside the call or
// stop() with Errc::kBusy (kMostWaiting wait already) or std::errc::operation_canceled. Passwords are
// wiped from memory after use, also those that were never looked at; what the caller keeps is the caller's to
// wipe.
class PasswordWorker {
 public:
  static constexpr std::size_t kMostWaiting = 64;

  explicit PasswordWorker(std::size_t threads = 1);
  ~PasswordWorker();

  // Waits for the hashes that are being made; those that wait are cancelled, and so are all that come later.
  // Once it has returned no `done` is called but inside a call. Idempotent, one thread at a time.
  void stop();

  // As password_is(): an empty `hash` for a user who does not exist.
  void verify(std::string hash, std::string password, std::function<void(Result<bool>)> done);
  // As hash_password().
  void hash(std::string password, std::function<void(Result<std::string>)> done);

 private:
  // Called with why it is not run, or with nothing to run it.
  using Job = std::function<void(const Error* refused)>;

  void submit(Job job);
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;  // the last: they use the rest
};

}  // namespace drover::identity
