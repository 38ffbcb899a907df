#include "http/accept_encoding.h"

#include <gtest/gtest.h>

namespace drover::http {
namespace {

bool accepts(std::string_view value) {
  const Field fields[] = {{"Host", "x"}, {"aCCept-enCoding", value}};
  return accepts_gzip(fields);
}

TEST(AcceptEncoding, TakesGzipWhereItIsAllowed) {
  for (const std::string_view value :
       {"gzip", "GZip", "x-gzip", "deflate, gzip", "gzip, deflate, br", "gzip;q=1", "gzip;q=1.000",
        "gzip;q=0.001", "gzip ;\tQ=0.5 , br", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*", "*;q=0.5",
        "deflate;q=0, *", ",, gzip ,,", "gzip;q=0.5, identity;q=0.5", "identity;q=0, gzip;q=0.1",
        "gzip;v=2;q=0.3", "gzip, gzip;q=0"}) {
    EXPECT_TRUE(accepts(value)) << value;
  }
}

TEST(AcceptEncoding, LeavesTheBodyAsItIsElsewhere) {
  for (const std::string_view value :
       {"", " ", "identity", "br", "gzipped", "gzip;q=0", "gzip;q=0.000", "gzip; q=0 , *", "*;q=0",
        "*, gzip;q=0", "gzip;q=0.4, identity;q=0.5", "*;q=0.4, identity", "gzip;q=0, gzip", ";", "=",
        "gzip=1", "\"gzip\""}) {
    EXPECT_FALSE(accepts(value)) << value;
  }
  EXPECT_FALSE(accepts_gzip({}));
}

TEST(AcceptEncoding, MalformedWeightsCountAsNotSaid) {
  for (const std::string_view value :
       {"gzip;q=", "gzip;q=x", "gzip;q=2", "gzip;q=-1", "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=00",
        "gzip;q=.5", "gzip;q=1e0", "gzip;q=0,5;q=1", "gzip;q"}) {
    EXPECT_FALSE(accepts(value)) << value;
  }
}

TEST(AcceptEncoding, SeveralFieldsAreOneList) {
  const Field fields[] = {
      {"Accept-Encoding", "br"}, {"Accept-Encoding", "gzip;q=0"}, {"Accept-Encoding", "*"}};
  EXPECT_FALSE(accepts_gzip(fields));
  EXPECT_TRUE(accepts_gzip(std::span(fields).last(1)));
  EXPECT_TRUE(
      accepts_gzip(std::initializer_list<Field>{{"accept-encoding", "br"}, {"ACCEPT-ENCODING", "gzip"}}));
}

}  // namespace
}  // namespace drover::http
