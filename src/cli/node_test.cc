#include "cli/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <future>

#include "cli/client.h"
#include "cli/errc.h"
#include "cli/output.h"
#include "cli/paths.h"

namespace drover::cli {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

constexpr std::size_t kDescriptors = 1'000;

class NodeTest : public ::testing::Test {
 public:
  NodeTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "drover-node-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    config_.data_dir = dir_ + "/data";
    config_.adb.key = config_.data_dir + "/adbkey";
    config_.http.port = 0;
    config_.http.access_log = false;
    EXPECT_TRUE(make_private_dir(config_.data_dir));
  }
  ~NodeTest() override { std::filesystem::remove_all(dir_); }

 protected:
  std::unique_ptr<Node> start() {
    Result<std::unique_ptr<Node>> node = Node::start(config_, kDescriptors);
    EXPECT_TRUE(node) << node.error().message;
    return node ? *std::move(node) : nullptr;
  }
  Client local() const {
    Endpoint endpoint;
    endpoint.socket = config_.socket();
    endpoint.project = "default";
    return Client(endpoint);
  }
  static unsigned mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  }

  std::string dir_;
  Config config_;
};

TEST_F(NodeTest, WhatItKeepsIsForItsOwnUserOnly) {
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(mode_of(config_.data_dir), 0700u);
  EXPECT_EQ(mode_of(config_.socket()), 0600u);
  EXPECT_EQ(mode_of(config_.database()), 0600u);
  EXPECT_EQ(mode_of(config_.adb.key), 0600u);
}

TEST_F(NodeTest, AFreshOneHasTheProjectDefault) {
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  const Result<json::value> projects = local().get("/api/v1/projects");
  ASSERT_TRUE(projects) << projects.error().message;
  ASSERT_EQ(array_of(*projects, "projects").size(), 1u);
  EXPECT_EQ(text_of(array_of(*projects, "projects")[0], "name"), "default");
}

TEST_F(NodeTest, ASecondOneInTheSameFolderIsRefusedAndLeavesTheFirstAlone) {
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  const Result<std::unique_ptr<Node>> second = Node::start(config_, kDescriptors);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("Another `drover serve` uses this data folder"));
  EXPECT_TRUE(local().get("/healthz"));
}

TEST_F(NodeTest, TokensOpenTcpAndNothingElseDoes) {
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  const json::object request{{"project", "default"}, {"role", "readonly"}, {"expires_s", 60}};
  const Result<json::value> made = local().post("/api/v1/tokens", request);
  ASSERT_TRUE(made) << made.error().message;

  Result<Endpoint> endpoint = parse_server_url("http://127.0.0.1:" + std::to_string(node->port()));
  ASSERT_TRUE(endpoint);
  const Result<json::value> refused = Client(*endpoint).get("/api/v1/instances");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
  endpoint->token = text_of(*made, "token");
  EXPECT_TRUE(Client(*endpoint).get("/api/v1/instances"));
  EXPECT_FALSE(Client(*endpoint).post("/api/v1/instances", json::object{{"instances", json::array{}}}));
}

TEST_F(NodeTest, WhatItTookIsThereAfterARestart) {
  const json::object phone{{"instance_id", "p1"}, {"address", "adb://127.0.0.1:1"}};
  {
    const std::unique_ptr<Node> node = start();
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->instances(), 0u);
    ASSERT_TRUE(local().post("/api/v1/instances", json::object{{"instances", json::array{phone}}}));
  }
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->instances(), 1u);
}

TEST_F(NodeTest, WhileItDrainsItIsAliveButNotReady) {
  const std::unique_ptr<Node> node = start();
  ASSERT_NE(node, nullptr);
  EXPECT_TRUE(local().get("/readyz"));
  std::promise<void> drained;
  node->drain([&] { drained.set_value(); });
  drained.get_future().wait();
  EXPECT_TRUE(local().get("/healthz"));
  const Result<json::value> ready = local().get("/readyz");
  ASSERT_FALSE(ready);
  EXPECT_THAT(ready.error().message, HasSubstr("stopping"));
  const json::object task{{"command", "id"}, {"instance_ids", json::array{"p1"}}};
  EXPECT_FALSE(local().post("/api/v1/tasks", task));
  node->stop();
  EXPECT_EQ(local().get("/healthz").error().code, Errc::kUnreachable);
}

TEST_F(NodeTest, AnAddressThatIsNotOursStopsTheStart) {
  config_.http.address = "192.0.2.1";  // TEST-NET-1 (RFC 5737)
  const Result<std::unique_ptr<Node>> node = Node::start(config_, kDescriptors);
  ASSERT_FALSE(node);
  EXPECT_THAT(node.error().message, HasSubstr("192.0.2.1"));
}

}  // namespace
}  // namespace drover::cli
