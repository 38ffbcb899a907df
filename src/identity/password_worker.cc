#include "identity/password_worker.h"

#include <pthread.h>
#include <sodium.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "identity/errc.h"
#include "identity/password.h"

namespace drover::identity {
namespace {

// The only copy of a password: what it is taken from is wiped at once, because moving a short string leaves
// its bytes behind. Of one that is too long there is just enough to see that.
class Wiped {
 public:
  explicit Wiped(std::string& from)
      : size_(std::min(from.size(), kLongestPassword + 1)), data_(new char[size_]) {
    std::copy_n(from.data(), size_, data_.get());
    sodium_memzero(from.data(), from.size());
  }
  ~Wiped() { sodium_memzero(data_.get(), size_); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> data_;
};

}  // namespace

PasswordWorker::PasswordWorker(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), "password");
  }
}

PasswordWorker::~PasswordWorker() { stop(); }

void PasswordWorker::stop() {
  std::deque<Job> cancelled;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    cancelled.swap(waiting_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const Failure why = failure(std::make_error_code(std::errc::operation_canceled));
  for (const Job& job : cancelled) job(&why.value());
}

void PasswordWorker::verify(std::string hash, std::string password, std::function<void(Result<bool>)> done) {
  submit([hash = std::move(hash), secret = std::make_shared<const Wiped>(password),
          done = std::move(done)](const Error* refused) {
    if (refused != nullptr) return done(Failure(*refused));
    done(password_is(hash, secret->view()));
  });
}

void PasswordWorker::hash(std::string password, std::function<void(Result<std::string>)> done) {
  submit([secret = std::make_shared<const Wiped>(password), done = std::move(done)](const Error* refused) {
    if (refused != nullptr) return done(Failure(*refused));
    done(hash_password(secret->view()));
  });
}

void PasswordWorker::submit(Job job) {
  {
    std::unique_lock lock(mutex_);
    if (ending_ || waiting_.size() >= kMostWaiting) {
      const Failure why = failure(ending_ ? std::make_error_code(std::errc::operation_canceled)
                                          : make_error_code(Errc::kBusy));
      lock.unlock();
      return job(&why.value());
    }
    waiting_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void PasswordWorker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job(nullptr);
    job = nullptr;  // with the password, before anything else
    lock.lock();
  }
}

}  // namespace drover::identity
