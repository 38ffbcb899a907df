#include "http/router.h"

#include <gmock/gmock.h>

#include "http/router_impl.h"

namespace drover::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RouterTest : public testing::Test {
 protected:
  void add(Method method, const std::string& pattern) {
    router_.add(method, pattern, [](const Request&, Responder) {});
  }
  // The pattern that a GET of these segments finds; "" for none.
  std::string find(std::vector<std::string_view> segments) {
    const auto* node = router_.impl().find(segments, values_);
    return node ? node->any().pattern : "";
  }

  Router router_;
  std::vector<std::string_view> values_;
};

TEST_F(RouterTest, LiteralsWinOverParameters) {
  add(Method::kGet, "/tasks/{task}");
  add(Method::kGet, "/tasks/recent");
  EXPECT_EQ(find({"tasks", "recent"}), "/tasks/recent");
  EXPECT_THAT(values_, IsEmpty());
  EXPECT_EQ(find({"tasks", "7"}), "/tasks/{task}");
  EXPECT_THAT(values_, ElementsAre("7"));
}

TEST_F(RouterTest, TriesTheParameterWhereTheLiteralLeadsNowhere) {
  add(Method::kGet, "/a/b/c");
  add(Method::kGet, "/{x}/b/{y}");
  add(Method::kGet, "/{x}/{y}/z/{w}");
  EXPECT_EQ(find({"a", "b", "c"}), "/a/b/c");
  EXPECT_EQ(find({"a", "b", "d"}), "/{x}/b/{y}");
  EXPECT_THAT(values_, ElementsAre("a", "d"));
  EXPECT_EQ(find({"a", "b", "z", "1"}), "/{x}/{y}/z/{w}");
  EXPECT_THAT(values_, ElementsAre("a", "b", "1"));
}

TEST_F(RouterTest, FindsNothingElse) {
  add(Method::kGet, "/a/{x}/c");
  add(Method::kGet, "/");
  EXPECT_EQ(find({""}), "/");
  EXPECT_EQ(find({"a"}), "");
  EXPECT_EQ(find({"a", "1"}), "");
  EXPECT_EQ(find({"a", "", "c"}), "");
  EXPECT_EQ(find({"a", "1", "c", ""}), "");
  EXPECT_EQ(find({"A", "1", "c"}), "");
}

TEST_F(RouterTest, MethodsOfOnePathShareANode) {
  add(Method::kPost, "/a/{x}");
  add(Method::kDelete, "/a/{y}");
  const std::vector<std::string_view> segments = {"a", "1"};
  const auto* node = router_.impl().find(segments, values_);
  ASSERT_TRUE(node);
  EXPECT_EQ(node->allow(), "POST, DELETE");
  EXPECT_THAT(node->routes[static_cast<std::size_t>(Method::kDelete)]->parameters, ElementsAre("y"));
  EXPECT_FALSE(node->routes[static_cast<std::size_t>(Method::kGet)]);
}

TEST(RouterErrors, DefaultBodyHasTheCodesOfTheApi) {
  const Router router;
  EXPECT_EQ(router.impl().error_body(404, "say \"hi\"\n", "/x"),
            R"({"error_code":"APIGW.0101","error_msg":"say \"hi\"\n"})");
  EXPECT_EQ(router.impl().error_body(405, "x", "/x"), R"({"error_code":"APIGW.0101","error_msg":"x"})");
  for (const unsigned status : {400u, 408u, 411u, 413u, 414u, 415u, 431u}) {
    EXPECT_EQ(router.impl().error_body(status, "x", {}),
              R"({"error_code":"KOOPHONE.API.1000","error_msg":"x"})");
  }
  for (const unsigned status : {500u, 503u}) {
    EXPECT_EQ(router.impl().error_body(status, "x", {}),
              R"({"error_code":"KOOPHONE.API.9999","error_msg":"x"})");
  }
}

}  // namespace
}  // namespace drover::http
