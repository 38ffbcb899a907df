// For tests: certificates of every kind, made here and now.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "http/certificate.h"

namespace drover::http {

// A certificate of "localhost" and 127.0.0.1, with its key.
class TestCertificate {
 public:
  struct Options {
    const TestCertificate* issuer = nullptr;  // null: itself
    long begins_in_s = -3600;
    long ends_in_s = 3600;
    bool ca = true;
    unsigned rsa_bits = 0;  // 0: an elliptic curve
  };

  explicit TestCertificate(const std::string& name) : TestCertificate(name, Options{}) {}
  TestCertificate(const std::string& name, const Options& options)
      : key_(options.rsa_bits > 0 ? EVP_RSA_gen(options.rsa_bits) : EVP_EC_gen("P-256"), EVP_PKEY_free),
        certificate_(X509_new(), X509_free) {
    X509* const made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    static long serial = 0;
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), options.begins_in_s);
    X509_gmtime_adj(X509_getm_notAfter(made), options.ends_in_s);
    X509_set_pubkey(made, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const TestCertificate& issuer = options.issuer != nullptr ? *options.issuer : *this;
    X509_set_issuer_name(made, X509_get_subject_name(issuer.certificate_.get()));
    add(NID_basic_constraints, options.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add(NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_sign(made, issuer.key_.get(), EVP_sha256());
  }

  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }

  // PEM files at these paths; others than the owner may not read the key.
  void write(const CertificateFiles& files) const {
    write_certificate(files.certificate);
    write_key(files.key);
  }
  void write_certificate(const std::string& path) const {
    write_file(path, [this](std::FILE* file) { PEM_write_X509(file, certificate_.get()); });
  }
  void write_key(const std::string& path, mode_t mode = 0600) const {
    write_file(path, [this](std::FILE* file) {
      PEM_write_PrivateKey(file, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    ::chmod(path.c_str(), mode);
  }

 private:
  void add(int nid, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  // In the way of those who renew certificates: the file is there with all of its content, or not at all.
  template <typename Write>
  static void write_file(const std::string& path, Write write) {
    const std::string beside = path + ".new";
    std::FILE* const file = std::fopen(beside.c_str(), "w");
    ASSERT_NE(file, nullptr) << beside;
    write(file);
    std::fclose(file);
    std::filesystem::rename(beside, path);
  }

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

// A folder for them, gone at the end.
class CertificateFolder {
 public:
  CertificateFolder() : path_(testing::TempDir() + "drover-tls-XXXXXX") {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    files_ = {path_ + "/certificate.pem", path_ + "/key.pem", ""};
  }
  ~CertificateFolder() { std::filesystem::remove_all(path_); }
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const CertificateFiles& files() const { return files_; }

 private:
  std::string path_;
  CertificateFiles files_;
};

}  // namespace drover::http
