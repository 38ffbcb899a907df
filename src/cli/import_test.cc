#include "cli/import.h"

#include <gtest/gtest.h>

namespace drover::cli {
namespace {

// What is read, as "id address;id address;", or why nothing is.
std::string read(const std::string& text) {
  const Result<std::vector<NewInstance>> instances = parse_instances(text, "f");
  if (!instances) return instances.error().message;
  std::string all;
  for (const NewInstance& instance : *instances) {
    all += instance.instance_id + " " + instance.address;
    for (const auto& [key, value] : instance.labels.value_or(Labels{{"not", "given"}})) {
      if (key != "not") all += " " + key + "=" + value;
    }
    all += ";";
  }
  return all;
}

TEST(ImportCsv, ReadsLinesWithAndWithoutHeader) {
  EXPECT_EQ(read("p1,adb://10.0.0.1:5555\np2,adb://10.0.0.2"), "p1 adb://10.0.0.1:5555;p2 adb://10.0.0.2;");
  EXPECT_EQ(read("instance_id,address\np1,adb://10.0.0.1:5555\n"), "p1 adb://10.0.0.1:5555;");
}

TEST(ImportCsv, BearsWhatSpreadsheetsWrite) {
  EXPECT_EQ(read("\xef\xbb\xbf\"instance_id\",\"address\"\r\n\"p1\" , \"adb://[::1]:1\"\r\n\r\n"),
            "p1 adb://[::1]:1;");
}

TEST(ImportCsv, AnEmptyFileHasNoInstances) {
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("instance_id,address\n"), "");
}

TEST(ImportCsv, NamesTheLineOfWhatIsWrong) {
  EXPECT_EQ(read("instance_id,address\n\np 1,adb://10.0.0.1:5555\n"),
            "f:3: instance_id \"p 1\": must be 1 to 32 of A-Z a-z 0-9 _ -");
  EXPECT_EQ(read("p1,10.0.0.1:5555\n"), "f:1: address \"10.0.0.1:5555\": must be adb://HOST:PORT");
  EXPECT_EQ(read("p1,adb://10.0.0.1:5555\np2\n"),
            "f:2: must be two or three fields: instance_id,address,labels");
  EXPECT_EQ(read("p1,adb://10.0.0.1:5555,a=b,x\n"),
            "f:1: must be two or three fields: instance_id,address,labels");
  EXPECT_EQ(read("p1,adb://10.0.0.1:5555,x\n"),
            "f:1: label \"x\": must be KEY=VALUE, both 1 to 64 of A-Z a-z 0-9 _ . -");
  EXPECT_EQ(read("p1,adb://10.0.0.1:1\np2,adb://10.0.0.1:2\np1,adb://10.0.0.1:3\n"),
            "f:3: instance_id \"p1\": is on line 1 already");
}

TEST(ImportCsv, ReadsLabels) {
  EXPECT_EQ(
      read("instance_id,address,labels\np1,adb://10.0.0.1:1,\"rack=7;team=blue\"\np2,adb://10.0.0.1:2,\n"),
      "p1 adb://10.0.0.1:1 rack=7 team=blue;p2 adb://10.0.0.1:2;");
  EXPECT_EQ(read("p1,adb://10.0.0.1:1,a=1;a=2\n"), "f:1: label \"a=2\": that key is there already");
}

// Who says nothing of labels keeps them; who says "none" takes them away.
TEST(Import, NoLabelsAreNotTheSameAsNothingSaidOfThem) {
  const auto labels = [](const char* text) { return parse_instances(text, "f").value().front().labels; };
  EXPECT_EQ(labels("p1,adb://10.0.0.1:1\n"), std::nullopt);
  EXPECT_EQ(labels("p1,adb://10.0.0.1:1,\n"), Labels{});
  EXPECT_EQ(labels(R"([{"instance_id":"p1","address":"adb://h:1"}])"), std::nullopt);
  EXPECT_EQ(labels(R"([{"instance_id":"p1","address":"adb://h:1","labels":{}}])"), Labels{});
}

TEST(ImportCsv, TheHeaderIsTheFirstLineOnly) {
  EXPECT_EQ(read("p1,adb://10.0.0.1:1\ninstance_id,address\n"),
            "f:2: address \"address\": must be adb://HOST:PORT");
}

TEST(ImportJson, ReadsBothForms) {
  EXPECT_EQ(read(R"([{"instance_id":"p1","address":"adb://10.0.0.1:1"}])"), "p1 adb://10.0.0.1:1;");
  EXPECT_EQ(read(R"({"instances":[{"address":"adb://10.0.0.1:1","instance_id":"p1","state":"online"}]})"),
            "p1 adb://10.0.0.1:1;");
  EXPECT_EQ(read(" [ ] "), "");
}

TEST(ImportJson, NamesTheLineOfWhatIsWrong) {
  EXPECT_EQ(read("{\"instances\":[\n "
                 "{\"instance_id\":\"p1\",\"address\":\"adb://h:1\",\"x\":[1,2,{\"a\":\"],\\\"{\"}]},\n"
                 " {\"instance_id\":\"p2\"}]}"),
            "f:3: address \"\": must be adb://HOST:PORT");
  EXPECT_EQ(read("[\n{\"instance_id\":\"p1\",\"address\":\"adb://h:1\"},\n\n7]"),
            "f:4: must be an object with instance_id and address");
  EXPECT_EQ(read("[\n{\"instance_id\":5,\"address\":\"adb://h:1\"}]"),
            "f:2: instance_id \"\": must be 1 to 32 of A-Z a-z 0-9 _ -");
  EXPECT_EQ(read("[\n{\"instance_id\":\"p1\",\"address\":\"adb://"
                 "h:1\"},\n{\"instance_id\":\"p1\",\"address\":\"adb://h:2\"}]"),
            "f:3: instance_id \"p1\": is on line 2 already");
}

TEST(ImportJson, ReadsLabels) {
  EXPECT_EQ(
      read(R"([{"instance_id":"p1","address":"adb://10.0.0.1:1","labels":{"team":"blue","rack":"7"}}])"),
      "p1 adb://10.0.0.1:1 rack=7 team=blue;");
  EXPECT_EQ(read(R"([{"instance_id":"p1","address":"adb://10.0.0.1:1","labels":["team=blue"]}])"),
            "f:1: labels must be an object of texts");
  EXPECT_EQ(read(R"([{"instance_id":"p1","address":"adb://10.0.0.1:1","labels":{"rack":7}}])"),
            "f:1: label \"rack\": must be text");
  EXPECT_EQ(read(R"([{"instance_id":"p1","address":"adb://10.0.0.1:1","labels":{"a=b":"c"}}])"),
            "f:1: label \"a=b=c\": must be KEY=VALUE, both 1 to 64 of A-Z a-z 0-9 _ . -");
}

TEST(ImportJson, BrokenJsonIsNamedWithItsLine) {
  EXPECT_EQ(read("[\n{]").rfind("f:2: is not JSON: ", 0), 0u);
  EXPECT_EQ(read("[] x").rfind("f:1: is not JSON: ", 0), 0u);
  EXPECT_EQ(read("[\n").rfind("f:2: is not JSON: ", 0), 0u);
  EXPECT_EQ(read("{\"phones\":[]}"),
            "f:1: must be a list of instances, or {\"instances\":[...]} and nothing else");
}

// What is typed is no file: a header's words, a comma and a bracket are names as good or bad as others.
TEST(ImportOne, IsCheckedByTheSameRules) {
  EXPECT_TRUE(check_instance("instance_id", "adb://10.0.0.1:1"));
  EXPECT_EQ(check_instance("instance_id", "address").error().message,
            "address \"address\": must be adb://HOST:PORT");
  for (const char* id : {"", "a,b", "[", "{", "a\nb"})
    EXPECT_EQ(check_instance(id, "adb://10.0.0.1:1").error().message,
              "instance_id \"" + std::string(id) + "\": must be 1 to 32 of A-Z a-z 0-9 _ -");
}

TEST(Import, ReadsWhatItWrites) {
  const std::vector<NewInstance> instances{{"a", "adb://10.0.0.1:1"}, {"b", "adb://[::1]:2"}};
  EXPECT_EQ(read(instances_csv(instances)), "a adb://10.0.0.1:1;b adb://[::1]:2;");
  EXPECT_EQ(read(instances_json(instances)), "a adb://10.0.0.1:1;b adb://[::1]:2;");
}

}  // namespace
}  // namespace drover::cli
