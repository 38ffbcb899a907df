// One command on one phone: its output as it comes, its exit code, and a way to stop it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace drover::adb {

enum class Output { kStdout, kStderr };

struct ShellEnd {
  // 0 to 255, as the phone sent it (0x80 | signal when killed). Nothing: the outcome is unknown.
  std::optional<int> exit_code;
  // Set where there is no exit code: why the stream ended.
  std::error_code why;
  // False only if it is certain that the phone began nothing: it refused the stream, or OPEN never left.
  bool may_have_begun = true;
};

// Told what happens, on the connection's loop. Must outlive the Shell.
class ShellEvents {
 public:
  // Bytes as they came; `bytes` is valid during the call. A phone without shell_v2 sends all as kStdout.
  virtual void on_output(Output from, std::string_view bytes) = 0;
  // The last event, exactly once. The Shell may be destroyed in it.
  virtual void on_end(const ShellEnd& end) = 0;

 protected:
  ~ShellEvents() = default;
};

// Owned by who started it. Destroying it before on_end closes the stream and no event follows; adbd then
// sends SIGHUP to the shell alone, so whoever wants the command gone calls kill() first and waits for on_end.
class Shell {
 public:
  virtual ~Shell() = default;

  // Ends the command's whole process group on the phone, by a second stream: TERM now, KILL a moment later.
  // on_end follows: with what the phone then says, or, if it says nothing, with kTimeout after 5 s; but while
  // the phone has not acknowledged the command, not before it does or the connection ends for that.
  virtual void kill() = 0;
};

}  // namespace drover::adb
