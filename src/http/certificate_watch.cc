#include "http/certificate_watch.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

namespace drover::http {

CertificateWatch::CertificateWatch(CertificateFiles files, const Clock& clock, prometheus::Registry& registry)
    : files_(std::move(files)), clock_(clock), metrics_(registry), timer_([this] { check(); }) {}

Result<std::unique_ptr<CertificateWatch>> CertificateWatch::open(CertificateFiles files, const Clock& clock,
                                                                 prometheus::Registry& registry) {
  std::unique_ptr<CertificateWatch> watch(new CertificateWatch(std::move(files), clock, registry));
  watch->tried_ = watch->seen_ = watch->look();
  if (auto loaded = watch->load(); !loaded) return Failure(loaded.error());
  return watch;
}

void CertificateWatch::start(Loop& loop, Millis every) {
  loop_ = &loop;
  every_ = every;
  loop_->schedule(timer_, every_);
}

Session CertificateWatch::make_session() {
  const std::lock_guard lock(mutex_);
  return current_->make_session();
}

CertificateWatch::Stamps CertificateWatch::look() const {
  Stamps stamps;
  std::size_t i = 0;
  for (const std::string* path : {&files_.certificate, &files_.key, &files_.client_ca}) {
    struct stat info {};
    Stamp& stamp = stamps[i++];
    if (::stat(path->c_str(), &info) != 0) continue;
    // The time of the last change of mode as well: a key whose mode was mended is tried again.
    stamp = {info.st_ino, info.st_size, info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
  }
  return stamps;
}

void CertificateWatch::check() {
  const Stamps now = look();
  const bool rested = now == std::exchange(seen_, now);
  if (rested && now != tried_) {
    tried_ = now;
    if (auto loaded = load(); !loaded) {
      spdlog::error("{}; the certificate in use stays", loaded.error().message);
    }
  }
  loop_->schedule(timer_, every_);
}

Result<> CertificateWatch::load() {
  auto loaded = Certificate::load(files_);
  if (!loaded) return Failure(loaded.error());
  log(**loaded);
  metrics_.certificate_expiry.Set(static_cast<double>((*loaded)->expires_s()));
  const std::lock_guard lock(mutex_);
  current_.swap(*loaded);
  return {};
}

void CertificateWatch::log(const Certificate& certificate) const {
  const std::int64_t now_s = clock_.unix_ms() / 1000;
  const std::string expiry = format_utc(certificate.expires_s() * 1000);
  if (now_s > certificate.expires_s()) {
    spdlog::warn("http.tls_certificate: {} has expired at {}: clients will refuse it", files_.certificate,
                 expiry);
  } else if (now_s < certificate.begins_s()) {
    spdlog::warn("http.tls_certificate: {} is not valid before {}: clients will refuse it",
                 files_.certificate, format_utc(certificate.begins_s() * 1000));
  } else {
    spdlog::info("TLS uses the certificate in {}, valid until {}", files_.certificate, expiry);
  }
}

}  // namespace drover::http
