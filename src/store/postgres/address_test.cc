#include "store/postgres/address.h"

#include <gtest/gtest.h>

#include "store/postgres/conninfo.h"

namespace drover::store::postgres {
namespace {

std::string refused(const std::string& address) {
  const auto info = Conninfo::parse(address, "test");
  EXPECT_FALSE(info) << address;
  return info ? "" : info.error().message;
}

TEST(Address, PasswordsAreHidden) {
  const auto shown = without_passwords;
  EXPECT_EQ(shown("sqlite"), "sqlite");
  EXPECT_EQ(shown("postgresql://h/d"), "postgresql://h/d");
  EXPECT_EQ(shown("postgresql://ann@h:5432/d"), "postgresql://ann@h:5432/d");
  EXPECT_EQ(shown("postgresql://ann:secret@h:5432/d"), "postgresql://ann:***@h:5432/d");
  EXPECT_EQ(shown("postgresql://ann:se%40ret@h/d"), "postgresql://ann:***@h/d");
  EXPECT_EQ(shown("postgresql://ann:se?cr#et@h/d?a=b"), "postgresql://ann:***@h/d?a=b");
  EXPECT_EQ(shown("postgres://:secret@h1:1,h2:2"), "postgres://:***@h1:1,h2:2");
  EXPECT_EQ(shown("postgresql://@/d"), "postgresql://@/d");
  EXPECT_EQ(shown("postgresql://h/d?a=b&password=secret"), "postgresql://h/d?a=b&password=***");
  EXPECT_EQ(shown("postgresql://h/d?password=sec@ret&a=b"), "postgresql://h/d?password=***&a=b");
  EXPECT_EQ(shown("postgresql://h/d?sslpassword=secret&a=b"), "postgresql://h/d?sslpassword=***&a=b");
  EXPECT_EQ(shown("postgresql://h/d?p%61ssword=secret"), "postgresql://h/d?p%61ssword=***");
  EXPECT_EQ(shown("postgresql://h/d?password=sec&ret&a=b"), "postgresql://h/d?password=***&***&a=b");
}

TEST(Address, SaysWhetherThereIsAPassword) {
  EXPECT_FALSE(has_password("sqlite"));
  EXPECT_FALSE(has_password("postgresql://ann@h:5432/d?passfile=/p"));
  EXPECT_TRUE(has_password("postgresql://ann:secret@h/d"));
  EXPECT_TRUE(has_password("postgresql://h/d?password=secret"));
  EXPECT_TRUE(has_password("postgresql://h/d?sslpassword=secret"));
}

// What comes behind it would be host or database, and these are shown.
TEST(Address, APasswordMustNotEndTooEarly) {
  for (const char* address : {"postgresql://ann:se@cret@h/d", "postgresql://ann:se/cret@h/d",
                              "postgresql://ann:se@cret?x@h/d", "postgresql://ann:se/cret?x@h/d",
                              "postgresql://ann:se@cret?x@y=1@h/d", "postgresql://ann:se/cret?sslmode=x@h/d",
                              "postgresql://ann:secret/d", "postgresql://h:1,ann:se/cret?x=y@h/d"}) {
    EXPECT_TRUE(ends_too_early(address)) << address;
    EXPECT_EQ(without_passwords(address), "postgresql://***");
    const std::string said = refused(address);
    EXPECT_NE(said.find("%40"), said.npos) << said;
    for (const char* piece : {"ann", "se@", "se/", "cret"}) EXPECT_EQ(said.find(piece), said.npos) << said;
  }
  for (const char* address :
       {"postgresql://ann:s%40%2F@h/d", "postgresql:///d?host=@socket", "postgresql://h/d?password=s@c",
        "postgresql://ann@h/d?user=a@b&password=s@c", "postgresql://[::1]:5432,h:1,i/d",
        "postgresql://h:5432/d?user=ann@server", "postgresql://ann:se?cret@h/d"}) {
    EXPECT_FALSE(ends_too_early(address)) << address;
    EXPECT_TRUE(Conninfo::parse(address, "test")) << address;
  }
  EXPECT_FALSE(ends_too_early("host=h password=s@c"));
}

TEST(Address, AWrongParameterIsNamedUnlessItMayBeOfAPassword) {
  EXPECT_NE(refused("postgresql://ann@h/d?sslmod=x").find("\"sslmod\""), std::string::npos);
  EXPECT_NE(refused("postgresql://ann:pass@h/d?sslmod=x").find("\"sslmod\""), std::string::npos);
  for (const char* address :
       {"postgresql://ann@h/d?password=se&cret=1", "postgresql://ann@h/d?password=se&cret",
        "postgresql://ann:se%cret@h/d", "postgresql://ann:secret@h/d?a", "postgresql://ann:secret@[::1/d",
        "postgresql://ann@h/d?sslpassword=se&cret=1", "host=h password=se cret"}) {
    EXPECT_EQ(refused(address).find("cret"), std::string::npos) << refused(address);
  }
}

}  // namespace
}  // namespace drover::store::postgres
