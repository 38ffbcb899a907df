#include "sim/output.h"

#include <gtest/gtest.h>

namespace drover::sim {
namespace {

using std::string_literals::operator""s;

std::string all(const Output& out) { return std::string(out.front(out.size())); }

TEST(Output, OnePacketForWhatGoesToOneChannel) {
  Output out(Framing::kShellV2);
  out.write(Channel::kStdout, "ab");
  out.write(Channel::kStdout, "c");
  out.write(Channel::kStderr, "e");
  out.write_exit(3);
  EXPECT_EQ(all(out), "\1\3\0\0\0abc\2\1\0\0\0e\3\1\0\0\0\3"s);
}

TEST(Output, WhatWasTakenIsNotChangedAnyMore) {
  Output out(Framing::kShellV2);
  out.write(Channel::kStdout, "ab");
  EXPECT_EQ(out.front(6), "\1\2\0\0\0a"s);
  out.take(6);
  out.write(Channel::kStdout, "c");
  EXPECT_EQ(all(out), "b\1\1\0\0\0c"s);
  out.take(out.size());
  out.write(Channel::kStdout, "d");
  EXPECT_EQ(all(out), "\1\1\0\0\0d"s);
}

TEST(Output, ATerminalHasItsOwnLineEndsAndNoExit) {
  Output out(Framing::kTerminal);
  out.write(Channel::kStdout, "a\nb");
  out.write(Channel::kStderr, "\n");
  out.write_exit(1);
  EXPECT_EQ(all(out), "a\r\nb\r\n");
}

TEST(Output, RawIsWhatWasWritten) {
  Output out(Framing::kRaw);
  out.write(Channel::kStdout, "a\n");
  out.write(Channel::kStderr, "b\n");
  out.write_exit(1);
  EXPECT_EQ(all(out), "a\nb\n");
}

}  // namespace
}  // namespace drover::sim
