#include "http/answer.h"

#include <gtest/gtest.h>

#include "http/request_id.h"

namespace drover::http {
namespace {

class TurnedClock final : public Clock {
 public:
  SteadyTime steady() const override { return SteadyTime(Millis(wall - 1'000)); }
  std::int64_t unix_ms() const override { return wall; }
  std::int64_t wall = 784'111'777'000;  // the date in RFC 9110's examples
};

TEST(DateCache, ChangesWithTheSecond) {
  TurnedClock clock;
  DateCache dates(clock);
  EXPECT_EQ(dates.get(clock.steady()), "Sun, 06 Nov 1994 08:49:37 GMT");
  clock.wall += 999;
  EXPECT_EQ(dates.get(clock.steady()), "Sun, 06 Nov 1994 08:49:37 GMT");
  clock.wall += 1;
  EXPECT_EQ(dates.get(clock.steady()), "Sun, 06 Nov 1994 08:49:38 GMT");
  clock.wall += 500;
  EXPECT_EQ(dates.get(clock.steady()), "Sun, 06 Nov 1994 08:49:38 GMT");
  clock.wall += 500;
  EXPECT_EQ(dates.get(clock.steady()), "Sun, 06 Nov 1994 08:49:39 GMT");
}

TEST(AnswerHead, SaysHowTheConnectionGoesOn) {
  Response response;
  response.body = "x";
  const auto head = [&](KeepAlive keep_alive) {
    std::string out;
    append_head(out, response, keep_alive, "D", "I");
    return out;
  };
  const std::string common =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\nDate: D\r\nX-Request-Id: "
      "I\r\n";
  EXPECT_EQ(head(KeepAlive::kSilent), common + "\r\n");
  EXPECT_EQ(head(KeepAlive::kSaid), common + "Connection: keep-alive\r\n\r\n");
  EXPECT_EQ(head(KeepAlive::kClose), common + "Connection: close\r\n\r\n");
  response.shared_body = std::make_shared<const std::string>(12, 'y');  // wins over `body`
  response.status = 299;
  EXPECT_TRUE(head(KeepAlive::kSilent)
                  .starts_with("HTTP/1.1 299 \r\nContent-Type: application/json\r\nContent-Length: 12"));
}

TEST(RequestId, MadeOnesAreValidAndDiffer) {
  RequestIdMaker one;
  RequestIdMaker other;
  const std::string first{one.next()};
  EXPECT_EQ(first.size(), 32u);
  EXPECT_TRUE(is_request_id(first));
  EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), first.npos);
  EXPECT_NE(first, one.next());
  EXPECT_NE(first, other.next());
}

TEST(RequestId, IsVisibleAscii) {
  EXPECT_TRUE(is_request_id("!~"));
  for (const std::string_view id : {"", " ", "a b", "a\t", "\x7f", "\x80", "a\r\n"})
    EXPECT_FALSE(is_request_id(id)) << id;
  EXPECT_TRUE(is_request_id(std::string(128, 'x')));
  EXPECT_FALSE(is_request_id(std::string(129, 'x')));
}

}  // namespace
}  // namespace drover::http
