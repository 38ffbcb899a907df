// The certificate in use, exchanged for a new one when its files change. Connections keep the one that they
// began with.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/timer_wheel.h"
#include "http/certificate.h"
#include "http/metrics.h"

namespace drover::http {

class CertificateWatch {
 public:
  // Loads and logs the certificate; Certificate::load() says what fails. `clock` and `registry` outlive it.
  static Result<std::unique_ptr<CertificateWatch>> open(CertificateFiles files, const Clock& clock,
                                                        prometheus::Registry& registry);

  // Looks at the files that often, on `loop`, which must have ended when this is destroyed. Files that have
  // changed are read when they stay as they are for one look more, so as not to meet a pair half written. Any
  // that cannot be used are logged once, and the certificate in use stays. The loop's thread, once.
  void start(Loop& loop, Millis every);

  // For a new connection; null if there is no memory. Any thread.
  Session make_session();

  TlsMetrics& metrics() { return metrics_; }

 private:
  // What tells one content of a file from another; all 0 if there is none.
  struct Stamp {
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_s = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  using Stamps = std::array<Stamp, 3>;

  CertificateWatch(CertificateFiles files, const Clock& clock, prometheus::Registry& registry);

  Stamps look() const;
  Result<> load();
  void check();
  void log(const Certificate& certificate) const;

  const CertificateFiles files_;
  const Clock& clock_;
  TlsMetrics metrics_;
  Stamps tried_{};  // when they were last read
  Stamps seen_{};   // at the last look
  Loop* loop_ = nullptr;
  Millis every_{};
  Timer timer_;

  std::mutex mutex_;
  std::unique_ptr<const Certificate> current_;  // guarded by mutex_
};

}  // namespace drover::http
