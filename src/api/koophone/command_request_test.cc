#include "api/koophone/command_request.h"

#include <gtest/gtest.h>

namespace drover::api::koophone {
namespace {

std::string refusal(const std::string& body, bool koophone_characters_only = false) {
  const auto parsed = parse_command_request(body, koophone_characters_only);
  if (parsed) return "taken";
  EXPECT_EQ(parsed.error().status, 400u);
  EXPECT_EQ(parsed.error().code, "KOOPHONE.API.1000");
  return parsed.error().message;
}

std::string with_command(const std::string& json_string) {
  return R"({"command":")" + json_string + R"(","instance_ids":["p1"]})";
}

std::string with_ids(const std::string& ids) { return R"({"command":"id","instance_ids":[)" + ids + "]}"; }

std::string ids(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += (i > 0 ? ",\"p" : "\"p") + std::to_string(i) + "\"";
  return out;
}

TEST(CommandRequestTest, TakesWhatTheSdkSends) {
  const auto parsed =
      parse_command_request(R"({"command":"echo \u4F60\u597D","instance_ids":["b","a","b"]})", false);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->command, "echo \xe4\xbd\xa0\xe5\xa5\xbd");
  EXPECT_EQ(parsed->instance_ids, (std::vector<std::string>{"b", "a", "b"}));
  EXPECT_EQ(parsed->start_deadline_s, 600u);
  EXPECT_EQ(parsed->run_timeout_s, 60u);
}

TEST(CommandRequestTest, TakesDroversFields) {
  const auto parsed = parse_command_request(
      R"({"start_deadline_s":86400,"command":"id","unknown":[1],"instance_ids":["p1"],"run_timeout_s":1})",
      false);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->start_deadline_s, 86'400u);
  EXPECT_EQ(parsed->run_timeout_s, 1u);
}

TEST(CommandRequestTest, CommandIsChecked) {
  EXPECT_EQ(refusal(R"({"instance_ids":["p1"]})"), "command is missing; it must be a string");
  EXPECT_EQ(refusal(R"({"command":7,"instance_ids":["p1"]})"), "command must be a string");
  EXPECT_EQ(refusal(with_command("")), "command must be 1 to 1,024 bytes, got 0");
  EXPECT_EQ(refusal(with_command(std::string(1024, 'x'))), "taken");
  EXPECT_EQ(refusal(with_command(std::string(1025, 'x'))), "command must be 1 to 1,024 bytes, got 1,025");
  // 342 characters of three bytes.
  std::string chinese;
  for (int i = 0; i < 342; ++i) chinese += "\\u4F60";
  EXPECT_EQ(refusal(with_command(chinese)), "command must be 1 to 1,024 bytes, got 1,026");
  EXPECT_EQ(refusal(with_command("a\\u0000b")), "command must not hold a NUL character");
  EXPECT_EQ(refusal(with_command("\xff")), "the body must be JSON in UTF-8: syntax error");
  EXPECT_EQ(refusal(with_command(R"(ls; \"$HOME\" | cat > 'x' && \n\t!)")), "taken");
}

TEST(CommandRequestTest, PolicyAllowsOnlyWhatTheServiceDocuments) {
  EXPECT_EQ(refusal(with_command("ls -l /system/app_1.2:Z"), true), "taken");
  for (const char* bad : {"a;b", "a|b", "a$b", "a\\nb", "a\\tb", "\xc3\xa9", "a\\\"b", "a*b", "a\\u007fb"}) {
    EXPECT_EQ(refusal(with_command(bad)), "taken");
    EXPECT_EQ(refusal(with_command(bad), true),
              "command may hold only A-Z a-z 0-9 _ . / : - and space in this project");
  }
}

TEST(CommandRequestTest, InstanceIdsAreChecked) {
  EXPECT_EQ(refusal(R"({"command":"id"})"), "instance_ids is missing; it must be an array of strings");
  EXPECT_EQ(refusal(R"({"command":"id","instance_ids":"p1"})"), "instance_ids must be an array of strings");
  EXPECT_EQ(refusal(with_ids("1")), "instance_ids[0] must be a string");
  EXPECT_EQ(refusal(with_ids("")), "instance_ids must hold 1 to 100 ids, got 0");
  EXPECT_EQ(refusal(with_ids(ids(100))), "taken");
  EXPECT_EQ(refusal(with_ids(ids(101))), "instance_ids must hold 1 to 100 ids, got 101");
  EXPECT_EQ(refusal(with_ids(ids(20'000))), "instance_ids must hold 1 to 100 ids, got 20,000");
  EXPECT_EQ(refusal(with_ids("\"" + std::string(32, 'a') + "\"")), "taken");
  EXPECT_EQ(refusal(with_ids("\"p\",\"" + std::string(33, 'a') + "\"")),
            "instance_ids[1] must be 1 to 32 of A-Z a-z 0-9 _ -, got 33 bytes");
  EXPECT_EQ(refusal(with_ids(R"("")")), "instance_ids[0] must be 1 to 32 of A-Z a-z 0-9 _ -, got 0 bytes");
  EXPECT_EQ(refusal(with_ids(R"("a b")")), "instance_ids[0] must be 1 to 32 of A-Z a-z 0-9 _ -, got 3 bytes");
  EXPECT_EQ(refusal(with_ids(R"("a\u0000")")),
            "instance_ids[0] must be 1 to 32 of A-Z a-z 0-9 _ -, got 2 bytes");
}

TEST(CommandRequestTest, SecondsAreChecked) {
  for (const std::string name : {"start_deadline_s", "run_timeout_s"}) {
    const auto with = [&](const std::string& value) {
      return refusal(R"({"command":"id","instance_ids":["p1"],")" + name + "\":" + value + "}");
    };
    EXPECT_EQ(with("1"), "taken");
    EXPECT_EQ(with("86400"), "taken");
    EXPECT_EQ(with("0"), name + " must be an integer from 1 to 86,400, got 0");
    EXPECT_EQ(with("-1"), name + " must be an integer from 1 to 86,400, got -1");
    EXPECT_EQ(with("86401"), name + " must be an integer from 1 to 86,400, got 86,401");
    EXPECT_EQ(with("4294967297"), name + " must be an integer from 1 to 86,400, got 4,294,967,297");
    EXPECT_EQ(with("\"60\""), name + " must be an integer");
    EXPECT_EQ(with("60.5"), name + " must be an integer");
    EXPECT_EQ(with("null"), name + " must be an integer");
  }
}

TEST(StatusRequestTest, IdsAreChecked) {
  EXPECT_EQ(parse_status_request(R"({"instance_ids":["b","a","b"]})").value(),
            (std::vector<std::string>{"b", "a", "b"}));
  EXPECT_EQ(parse_status_request("{}").error().message,
            "instance_ids is missing; it must be an array of strings");
  EXPECT_EQ(parse_status_request(R"({"instance_ids":[]})").error().message,
            "instance_ids must hold 1 to 100 ids, got 0");
}

}  // namespace
}  // namespace drover::api::koophone
