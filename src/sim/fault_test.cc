#include "sim/fault.h"

#include <gtest/gtest.h>

namespace drover::sim {
namespace {

TEST(Fault, EveryNameIsUnderstood) {
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    const auto kind = static_cast<FaultKind>(i);
    const auto fault = parse_fault(name_of(kind));
    ASSERT_TRUE(fault) << name_of(kind);
    EXPECT_EQ(fault->kind, kind);
  }
}

TEST(Fault, Amounts) {
  EXPECT_EQ(parse_fault("slow:250"), (Fault{FaultKind::kSlow, 250}));
  EXPECT_EQ(parse_fault("drop:10"), (Fault{FaultKind::kDrop, 10}));
  EXPECT_EQ(parse_fault("reboot:1.5"), (Fault{FaultKind::kReboot, 1500}));
  EXPECT_EQ(parse_fault("flap:0.5"), (Fault{FaultKind::kFlap, 500}));
}

TEST(Fault, WhatIsRefused) {
  for (const char* text : {"", "nope", "hang:1", "slow:", "slow:x", "slow:-1", "slow:0", "flap:0", "slow:nan",
                           "slow:1e99", "drop:-1", "drop:5000000000", "slow:1:2", "Hang"}) {
    const auto fault = parse_fault(text);
    ASSERT_FALSE(fault) << text;
    EXPECT_EQ(fault.error().code, Errc::kBadFault);
  }
}

TEST(PhoneRange, Numbers) {
  const auto range = PhoneRange::parse("3-5").value();
  EXPECT_FALSE(range.has(2, FaultKind::kHang));
  EXPECT_TRUE(range.has(3, FaultKind::kHang));
  EXPECT_TRUE(range.has(5, FaultKind::kHang));
  EXPECT_FALSE(range.has(6, FaultKind::kHang));
  EXPECT_TRUE(PhoneRange::parse("7")->has(7, FaultKind::kSlow));
  EXPECT_FALSE(PhoneRange::parse("7")->has(8, FaultKind::kSlow));
  EXPECT_TRUE(PhoneRange::parse("all")->has(123456, FaultKind::kSlow));
}

TEST(PhoneRange, PercentagesAreExactAndApartByKind) {
  const auto five = PhoneRange::parse("5%").value();
  int silent = 0;
  int both = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    silent += five.has(i, FaultKind::kSilent);
    both += five.has(i, FaultKind::kSilent) && five.has(i, FaultKind::kHang);
  }
  EXPECT_EQ(silent, 50);
  EXPECT_EQ(both, 0);
}

TEST(PhoneRange, WhatIsRefused) {
  for (const char* text : {"", "-", "5-3", "a", "1-", "-1", "0%", "101%", "%", "1 -2", "nan%"}) {
    EXPECT_FALSE(PhoneRange::parse(text)) << text;
  }
}

TEST(FaultRule, RangeAndFault) {
  const auto rule = parse_fault_rule("0-9=slow:20");
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->fault, (Fault{FaultKind::kSlow, 20}));
  EXPECT_TRUE(rule->range.has(9, FaultKind::kSlow));
  EXPECT_FALSE(parse_fault_rule("hang"));
  EXPECT_FALSE(parse_fault_rule("x=hang"));
  EXPECT_FALSE(parse_fault_rule("1=x"));
}

TEST(FaultSet, OneOfEachKind) {
  FaultSet faults;
  EXPECT_FALSE(faults.any());
  faults.add({FaultKind::kSlow, 10});
  faults.add({FaultKind::kHang, 0});
  faults.add({FaultKind::kSlow, 20});
  EXPECT_EQ(faults.amount(FaultKind::kSlow), 20U);
  faults.remove(FaultKind::kSlow);
  EXPECT_EQ(faults.amount(FaultKind::kSlow), 0U);
  EXPECT_TRUE(faults.has(FaultKind::kHang));
  EXPECT_FALSE(faults.has(FaultKind::kSlow));
}

}  // namespace
}  // namespace drover::sim
