#include "sim/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <random>

#include "sim/phone.h"

namespace drover::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Owner final : CommandOwner {
  void on_ready() override { ++ready; }
  void wake_after(Millis time) override { waits = time; }

  int ready = 0;
  Millis waits{-1};
};

class ScriptTest : public testing::Test {
 protected:
  struct Ran {
    std::string out;
    int status;
  };

  // All output as it comes, both channels together.
  Ran run(std::string_view text) {
    Script script(phone_, text, owner_);
    Output out(Framing::kRaw);
    EXPECT_EQ(script.advance(out, 1 << 20), Progress::kEnded) << text;
    return {std::string(out.front(out.size())), script.status()};
  }
  std::string out(std::string_view text) { return run(text).out; }
  int status(std::string_view text) { return run(text).status; }

  Clock clock_;
  Phone phone_{7, 42, clock_};
  Owner owner_;
};

TEST_F(ScriptTest, RunsCommandsInTurn) {
  EXPECT_EQ(out("echo a;echo b\necho c # and no more; echo d"), "a\nb\nc\n");
  EXPECT_EQ(out("  \n ; \n"), "");
  EXPECT_EQ(out(""), "");
}

TEST_F(ScriptTest, TheLastCommandGivesTheExitCode) {
  EXPECT_EQ(status("false"), 1);
  EXPECT_EQ(status("false; true"), 0);
  EXPECT_EQ(status("exit 3; echo no"), 3);
  EXPECT_EQ(status("false; exit"), 1);
  EXPECT_EQ(status("exit 257"), 1);
}

TEST_F(ScriptTest, AndAndOrGoFromLeftToRight) {
  EXPECT_EQ(out("true && echo a || echo b"), "a\n");
  EXPECT_EQ(out("false && echo a || echo b"), "b\n");
  EXPECT_EQ(out("true || echo a && echo b"), "b\n");
  EXPECT_EQ(out("false && echo a; echo b"), "b\n");
  EXPECT_EQ(out("false &&\n\n echo a"), "");
  EXPECT_EQ(status("false && true"), 1);
}

TEST_F(ScriptTest, QuotesKeepWhatTheyHold) {
  EXPECT_EQ(out("echo 'a  b;c' \"d  $HOME\" e\\ f '' g"), "a  b;c d  / e f  g\n");
  EXPECT_EQ(out("echo 'it'\\''s'"), "it's\n");
  EXPECT_EQ(out("echo \"\\$HOME \\\" \\x\""), "$HOME \" \\x\n");
}

TEST_F(ScriptTest, VariablesAreReplacedAndSplit) {
  EXPECT_EQ(out("A='x  y'; echo $A; echo \"$A\"; echo ${A}z $nope."), "x y\nx  y\nx yz .\n");
  EXPECT_EQ(out("false; echo $?; echo $?"), "1\n0\n");
  EXPECT_EQ(out("false; (echo $?); false; sh -c 'echo $?'"), "1\n0\n");
  EXPECT_EQ(out("A=1 B=$A; echo $B $ 100$"), "1 $ 100$\n");
}

TEST_F(ScriptTest, ThePidIsTheCommandsOwn) {
  Script one(phone_, "echo $$", owner_);
  Script two(phone_, "echo $$", owner_);
  EXPECT_NE(one.pid(), two.pid());
  Output out(Framing::kRaw);
  one.advance(out, 1000);
  EXPECT_EQ(out.front(100), std::to_string(one.pid()) + "\n");
}

TEST_F(ScriptTest, RedirectsToNullAndFromFiles) {
  EXPECT_EQ(out("echo a >/dev/null; echo b 2>&1; nope 2>/dev/null; nope >/dev/null 2>&1"), "b\n");
  EXPECT_THAT(out("cat </proc/version"), StartsWith("Linux version"));
  EXPECT_EQ(status("cat </nope"), 1);
  EXPECT_THAT(out("echo a > /sdcard/x"), HasSubstr("Read-only file system"));
  EXPECT_EQ(out("exec </dev/null; cat; echo done"), "done\n");
  EXPECT_EQ(out("exec >/dev/null; echo hidden"), "");
}

TEST_F(ScriptTest, GroupsRunAsOne) {
  EXPECT_EQ(out("(echo a; exit 3; echo b); echo $?"), "a\n3\n");
  EXPECT_EQ(out("{ echo a; echo b; } >/dev/null; echo c"), "c\n");
  EXPECT_EQ(out("false && (echo a; (echo b)) || echo c"), "c\n");
  EXPECT_EQ(out("{ exit 4; }; echo no"), "");
  EXPECT_EQ(out("(echo ')' \")\"; { echo }; })"), ") )\n}\n");
}

TEST_F(ScriptTest, ShellsWithinTheShell) {
  EXPECT_EQ(out("sh -c 'echo a; exit 5'; echo $?"), "a\n5\n");
  EXPECT_EQ(out("eval echo 'a;' echo b"), "a\nb\n");
  EXPECT_EQ(out("exec echo a; echo b"), "a\n");
  EXPECT_EQ(out("(exec echo a; echo b); echo c"), "a\nc\n");
}

TEST_F(ScriptTest, TheTrapRunsAtTheEndWhateverHappens) {
  const std::string prefix = "exec </dev/null;trap 'echo end:$?' 0\n(:;";
  EXPECT_EQ(out(prefix + "echo a\n)"), "a\nend:0\n");
  EXPECT_EQ(out(prefix + "exit 7\n)"), "end:7\n");
  EXPECT_EQ(out(prefix + "exec false\n)"), "end:1\n");
  EXPECT_THAT(out(prefix + "echo 'a\n)"), testing::EndsWith("end:1\n"));
  EXPECT_EQ(status(prefix + "exit 7\n)"), 7);
}

TEST_F(ScriptTest, WhatIsNotUnderstoodIsASyntaxError) {
  for (const char* text : {"a | b", "a & b", "echo $(id)", "echo `id`", "echo \"$(id)\"", "(echo", "echo )",
                           "echo 'x", "cat <<E", "echo >", "{ echo a;", "case x in esac;;", "echo a ( b"}) {
    const Ran ran = run(text);
    EXPECT_EQ(ran.status, 1) << text;
    EXPECT_THAT(ran.out, HasSubstr("syntax error")) << text;
  }
}

TEST_F(ScriptTest, DeepNestingEnds) {
  EXPECT_EQ(status(std::string(100'000, '(')), 1);
  std::string text = "echo a";
  for (int i = 0; i < 50; ++i) text.insert(0, "(").append(")");
  EXPECT_EQ(status(text), 1);
}

TEST_F(ScriptTest, NoTextBreaksIt) {
  static constexpr std::array kPieces = {
      "echo", "exit", "sh -c", "exec", "trap", "kill", "sleep 0",   "gen 9 ", "true", "false", "cat", " ",
      ";",    "&&",   "||",    "\n",   "(",    ")",    "{",         "}",      "'",    "\"",    "$",   "${",
      "$$",   "$?",   "\\",    "<",    ">",    "2>&1", "/dev/null", "#",      "A=",   "0",     "-",   "x"};
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::size_t pieces = random() % 20; pieces > 0; --pieces) {
      text += kPieces[random() % kPieces.size()];
      if (random() % 2 == 0) text += ' ';
    }
    Script script(phone_, text, owner_);
    script.end_input();
    Output out(Framing::kShellV2);
    for (int waits = 0; script.advance(out, 10'000) == Progress::kWaiting; ++waits) {
      ASSERT_LT(waits, 100) << text;
      script.wake();
    }
    ASSERT_TRUE(script.ended()) << text;
    ASSERT_LT(out.size(), 20'000U) << text;
  }
}

TEST_F(ScriptTest, AnUnknownCommandIs127) {
  const Ran ran = run("foo --bar");
  EXPECT_EQ(ran.status, 127);
  EXPECT_EQ(ran.out, "/system/bin/sh: foo: inaccessible or not found\n");
}

TEST_F(ScriptTest, SleepWaitsForTheWake) {
  Script script(phone_, "echo a; sleep 0.25; echo b", owner_);
  Output out(Framing::kRaw);
  EXPECT_EQ(script.advance(out, 1000), Progress::kWaiting);
  EXPECT_EQ(owner_.waits, Millis(250));
  EXPECT_EQ(out.front(100), "a\n");
  EXPECT_EQ(script.advance(out, 1000), Progress::kWaiting);
  script.wake();
  EXPECT_EQ(script.advance(out, 1000), Progress::kEnded);
  EXPECT_EQ(out.front(100), "a\nb\n");
}

TEST_F(ScriptTest, LargeOutputComesInPieces) {
  Script script(phone_, "gen 100000; exit 2", owner_);
  Output out(Framing::kRaw);
  std::size_t total = 0;
  Progress progress = Progress::kMore;
  while (progress == Progress::kMore) {
    progress = script.advance(out, 4096);
    EXPECT_LE(out.size(), 4096U + 64);
    total += out.size();
    out.take(out.size());
  }
  EXPECT_EQ(progress, Progress::kEnded);
  EXPECT_EQ(total, 100'000U);
  EXPECT_EQ(script.status(), 2);
}

TEST_F(ScriptTest, CatCopiesWhatTheHostSends) {
  Script script(phone_, "cat; echo end", owner_);
  Output out(Framing::kRaw);
  EXPECT_EQ(script.advance(out, 1000), Progress::kWaiting);
  script.input("hello ");
  EXPECT_EQ(script.advance(out, 1000), Progress::kWaiting);
  script.end_input();
  EXPECT_EQ(script.advance(out, 1000), Progress::kEnded);
  EXPECT_EQ(out.front(100), "hello end\n");
}

TEST_F(ScriptTest, KillEndsTheGroupWithItsSignal) {
  Script victim(phone_, "sleep 100", owner_);
  Output out(Framing::kRaw);
  victim.advance(out, 100);
  const std::string pid = std::to_string(victim.pid());
  EXPECT_EQ(status("kill -0 -" + pid), 0);
  EXPECT_FALSE(victim.ended());
  EXPECT_EQ(status("kill -TERM -" + pid), 0);
  EXPECT_EQ(owner_.ready, 1);
  EXPECT_EQ(victim.advance(out, 100), Progress::kEnded);
  EXPECT_EQ(victim.status(), 128 | SIGTERM);
  const Ran again = run("kill -KILL -" + pid);
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.out, HasSubstr("No such process"));
}

TEST_F(ScriptTest, KillsItself) { EXPECT_EQ(status("kill -9 $$; echo no"), 128 | SIGKILL); }

TEST_F(ScriptTest, AHungCommandOutlivesItsHostUntilKilled) {
  phone_.faults().add({FaultKind::kHang, 0});
  auto script = std::make_unique<Script>(phone_, "echo a", owner_);
  Output out(Framing::kRaw);
  EXPECT_EQ(script->advance(out, 100), Progress::kWaiting);
  EXPECT_EQ(out.front(10), "a\n");
  const int pid = script->pid();
  EXPECT_FALSE(script->hang_up());
  phone_.adopt(std::move(script));
  EXPECT_EQ(phone_.running(), 1U);
  EXPECT_EQ(status("kill -TERM -" + std::to_string(pid)), 0);
  EXPECT_EQ(phone_.running(), 0U);
}

TEST_F(ScriptTest, HangingUpEndsIt) {
  Script script(phone_, "sleep 100", owner_);
  Output out(Framing::kRaw);
  script.advance(out, 100);
  EXPECT_TRUE(script.hang_up());
  EXPECT_EQ(script.status(), 128 | SIGHUP);
}

TEST_F(ScriptTest, BelievableAndroid) {
  EXPECT_EQ(out("getprop ro.serialno"), "SIM00000007\n");
  EXPECT_EQ(out("getprop sys.boot_completed"), "1\n");
  EXPECT_EQ(out("getprop ro.build.version.release"), "14\n");
  EXPECT_EQ(out("getprop no.such; getprop no.such x"), "\nx\n");
  EXPECT_EQ(out("setprop debug.x 'a b'; getprop debug.x"), "a b\n");
  EXPECT_EQ(status("setprop ro.x 1"), 1);
  EXPECT_THAT(out("getprop"), HasSubstr("[ro.product.model]: [Drover Sim]\n"));
  EXPECT_THAT(out("cat /system/build.prop"), HasSubstr("ro.build.version.sdk=34\n"));
  EXPECT_THAT(out("ls /"), HasSubstr("system\n"));
  EXPECT_THAT(out("ls -l /system"), HasSubstr(" build.prop\n"));
  EXPECT_EQ(out("ls /nope"), "ls: /nope: No such file or directory\n");
  EXPECT_EQ(status("cat /nope /proc/version"), 1);
  EXPECT_EQ(out("pm list packages -3"), "package:com.example.agent\npackage:com.example.player\n");
  EXPECT_EQ(out("pm path com.android.shell"), "package:/system/priv-app/Shell/Shell.apk\n");
  EXPECT_EQ(status("pm path com.nope"), 1);
  EXPECT_EQ(out("am start -n com.example.agent/.Main"), "Starting: Intent { cmp=com.example.agent/.Main }\n");
  EXPECT_THAT(out("am broadcast -a x.Y"), HasSubstr("Broadcast completed: result=0"));
  EXPECT_EQ(
      status("am force-stop com.example.agent && input tap 1 2 && input keyevent 3 && input swipe 1 2 3 4"),
      0);
  EXPECT_EQ(out("whoami; wm size"), "shell\nPhysical size: 1080x2400\n");
  EXPECT_THAT(out("/system/bin/id"), StartsWith("uid=2000(shell)"));
  EXPECT_THAT(out("uname -a"), HasSubstr("aarch64"));
  EXPECT_EQ(out("settings get global nope; settings put global a b; settings get global a"), "null\nb\n");
  EXPECT_THAT(out("dumpsys battery"), HasSubstr("level: 93"));
  EXPECT_EQ(out("echo -n a; echo 'b\\tc'"), "ab\tc\n");
  EXPECT_EQ(out("date +%s").size(), 11U);
}

TEST_F(ScriptTest, ARestartMakesANewBootIdAndForgets) {
  const std::string before = out("setprop debug.x 1; cat /proc/sys/kernel/random/boot_id");
  EXPECT_EQ(before.size(), 37U);
  EXPECT_EQ(out("cat /proc/sys/kernel/random/boot_id"), before);
  phone_.restart();
  EXPECT_NE(out("cat /proc/sys/kernel/random/boot_id"), before);
  EXPECT_EQ(out("getprop debug.x"), "\n");
}

}  // namespace
}  // namespace drover::sim
