#include "cli/client.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "cli/errc.h"
#include "cli/terminal.h"

namespace drover::cli {
namespace {

TEST(ServerUrl, ReadsHostAndPort) {
  EXPECT_EQ(parse_server_url("http://example.org").value().name(), "http://example.org:8580");
  EXPECT_EQ(parse_server_url("http://127.0.0.1:80/").value().name(), "http://127.0.0.1:80");
  EXPECT_EQ(parse_server_url("http://[::1]:9").value().name(), "http://[::1]:9");
  EXPECT_EQ(parse_server_url("http://[::1]").value().host, "::1");
  EXPECT_EQ(parse_server_url("https://example.org/").value().name(), "https://example.org:8580");
  EXPECT_TRUE(parse_server_url("https://example.org").value().tls);
  EXPECT_FALSE(parse_server_url("http://example.org").value().tls);
}

TEST(ServerUrl, RefusesWhatItCannotReach) {
  for (const char* url : {"", "example.org", "http://", "http://a:", "http://a:x", "http://a/b",
                          "http://[::1", "http://[::1]x9", "https://", "http://a:123456"}) {
    const Result<Endpoint> endpoint = parse_server_url(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, Errc::kUsage);
  }
}

TEST(PercentEncoded, LeavesOnlyPlainCharacters) {
  EXPECT_EQ(percent_encoded("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(percent_encoded("a/b?c d%\xc3\xa9"), "a%2Fb%3Fc%20d%25%C3%A9");
}

TEST(Client, SaysHowToStartAServerWhenThereIsNone) {
  Endpoint endpoint;
  endpoint.socket = "/nonexistent/drover.sock";
  const Result<boost::json::value> answer = Client(endpoint).get("/healthz");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUnreachable);
  EXPECT_NE(answer.error().message.find("drover serve"), std::string::npos);
}

TEST(Printable, WritesOutWhatWouldSteerATerminal) {
  EXPECT_EQ(printable("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(printable("\x1b[31m\r\x7f"), "\\x1b[31m\\x0d\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(printable("\xc3\xa9\xc2\xa0"), "\xc3\xa9\xc2\xa0");
}

}  // namespace
}  // namespace drover::cli
