// Certificates that cannot be used, and their exchange while the server runs.
#include "http/certificate.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "http/errc.h"
#include "http/testing/server_fixture.h"

namespace drover::http {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

class CertificateTest : public testing::Test {
 protected:
  CertificateTest() : files_(folder_.files()) { certificate_.write(files_); }

  // What is wrong with the files; empty if nothing.
  std::string wrong() const {
    const auto loaded = Certificate::load(files_);
    if (loaded) return "";
    EXPECT_EQ(loaded.error().code, Errc::kCertificate);
    return loaded.error().message;
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::trunc) << bytes;
  }

  CertificateFolder folder_;
  CertificateFiles files_;
  const TestCertificate certificate_{"server"};
};

TEST_F(CertificateTest, IsReadWithItsTimes) {
  const auto loaded = Certificate::load(files_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->expires_s() - (*loaded)->begins_s(), 7200);
  EXPECT_NEAR(static_cast<double>((*loaded)->expires_s()), static_cast<double>(std::time(nullptr)) + 3600,
              60);
  EXPECT_TRUE((*loaded)->make_session());
}

TEST_F(CertificateTest, RsaWorksFrom2048Bits) {
  TestCertificate("rsa", {.rsa_bits = 2048}).write(files_);
  EXPECT_EQ(wrong(), "");
  TestCertificate("rsa", {.rsa_bits = 1024}).write(files_);
  EXPECT_THAT(wrong(), HasSubstr("http.tls_certificate: " + files_.certificate + ": ee key too small"));
}

TEST_F(CertificateTest, MissingFilesAreNamed) {
  for (std::string CertificateFiles::*file :
       {&CertificateFiles::certificate, &CertificateFiles::key, &CertificateFiles::client_ca}) {
    files_ = folder_.files();
    files_.*file = folder_.file("none.pem");
    EXPECT_THAT(wrong(), HasSubstr("none.pem: No such file or directory"));
  }
  EXPECT_THAT(wrong(), HasSubstr("http.tls_client_ca: "));
  files_ = folder_.files();
  files_.key = folder_.file("");
  EXPECT_THAT(wrong(), HasSubstr("not a regular file"));
}

TEST_F(CertificateTest, KeyThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0660}) {
    certificate_.write_key(files_.key, mode);
    EXPECT_THAT(wrong(), HasSubstr("http.tls_key: " + files_.key + ": others than its owner may use it"));
  }
  certificate_.write_key(files_.key, 0400);
  EXPECT_EQ(wrong(), "");
}

TEST_F(CertificateTest, KeyOfAnotherCertificateIsRefused) {
  TestCertificate("other").write_key(files_.key);
  EXPECT_THAT(wrong(), HasSubstr("http.tls_key: " + files_.key + ": not the key of the certificate in " +
                                 files_.certificate));
}

TEST_F(CertificateTest, WhatIsNotPemIsRefused) {
  write(files_.certificate, "rubbish");
  EXPECT_THAT(wrong(), HasSubstr("http.tls_certificate: "));
  EXPECT_THAT(wrong(), HasSubstr("not a certificate in PEM form"));
  certificate_.write(files_);
  write(files_.key, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
  EXPECT_THAT(wrong(), HasSubstr("not an unencrypted private key in PEM form"));
  EXPECT_THAT(wrong(), Not(HasSubstr("c2VjcmV0")));
  certificate_.write(files_);
  files_.client_ca = folder_.file("ca.pem");
  write(files_.client_ca, "");
  EXPECT_THAT(wrong(), HasSubstr("http.tls_client_ca: "));
  // Half of a chain is no chain.
  std::ofstream(files_.certificate, std::ios::app) << "-----BEGIN CERTIFICATE-----\nMIIB\n";
  files_.client_ca.clear();
  EXPECT_THAT(wrong(), HasSubstr("http.tls_certificate: "));
}

class ReloadTest : public ServerTest {
 protected:
  ReloadTest() {
    if (options_.tls.certificate.empty()) use_tls();
    options_.tls_check = Millis(20);
    auto sink = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
    lines_ = sink;
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::move(sink)));
  }
  ~ReloadTest() override {
    server_.reset();
    spdlog::set_default_logger(before_);
  }

  // Who a new connection meets.
  std::string served() {
    const Client client = connect();
    return name_of(client);
  }
  static std::string name_of(const Client& client) {
    if (client.session() == nullptr) return "nobody";
    char name[64] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client.session())),
                              NID_commonName, name, sizeof(name));
    return name;
  }
  std::string expiry_line(const TestCertificate& certificate) {
    std::tm parts{};
    ASN1_TIME_to_tm(X509_get0_notAfter(certificate.certificate()), &parts);
    return "drover_http_certificate_expiry_timestamp_seconds " + std::to_string(::timegm(&parts)) + "\n";
  }
  // How many lines of the log have this text.
  std::size_t logged(const std::string& text) const {
    const std::vector<std::string> lines = lines_->last_formatted();
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [&](const std::string& line) { return line.find(text) != line.npos; }));
  }

  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST_F(ReloadTest, NewConnectionsMeetTheNewCertificate) {
  options_.threads = 2;
  start();
  EXPECT_TRUE(has_metric(expiry_line(certificate_)));
  Client old = connect();
  EXPECT_EQ(name_of(old), "server");
  const TestCertificate next("next", {.ends_in_s = 86'400});
  next.write(options_.tls);
  EXPECT_TRUE(eventually([&] { return served() == "next"; }));
  EXPECT_EQ(old.ask(kHello).body, "hello");
  EXPECT_TRUE(has_metric(expiry_line(next)));
  server_->stop(Millis(0));
  EXPECT_EQ(logged("TLS uses the certificate"), 2u);
}

TEST_F(ReloadTest, ABrokenPairIsLoggedOnceAndTheOldStays) {
  start();
  const TestCertificate next("next");
  next.write_certificate(options_.tls.certificate);  // and not yet its key
  EXPECT_TRUE(eventually([&] { return logged("not the key of the certificate") == 1; }));
  EXPECT_EQ(served(), "server");
  next.write_key(options_.tls.key, 0644);
  EXPECT_TRUE(eventually([&] { return logged("others than its owner may use it") == 1; }));
  EXPECT_EQ(served(), "server");
  ::chmod(options_.tls.key.c_str(), 0600);
  EXPECT_TRUE(eventually([&] { return served() == "next"; }));
  server_->stop(Millis(0));
  EXPECT_EQ(logged("not the key of the certificate"), 1u);
  EXPECT_EQ(logged("others than its owner may use it"), 1u);
}

TEST_F(ReloadTest, AnExpiredCertificateIsServedWithAWarning) {
  TestCertificate("old", {.ends_in_s = -60}).write(options_.tls);
  start();
  EXPECT_EQ(served(), "old");
  server_->stop(Millis(0));
  EXPECT_EQ(logged("has expired at"), 1u);
}

TEST_F(ReloadTest, TheStartFailsWithoutAUsableCertificate) {
  TestCertificate("other").write_key(options_.tls.key);
  const auto server = Server::start(clock_, options_, router_, registry_);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::kCertificate);
}

}  // namespace
}  // namespace drover::http
