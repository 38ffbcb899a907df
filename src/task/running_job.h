// A command while it runs on its phone.
#pragma once

#include <functional>
#include <memory>

#include "adb/connection.h"
#include "base/loop.h"
#include "task/open_task.h"
#include "task/output.h"

namespace drover::task {

// The engine's loop only. Belongs to its phone's lane.
class RunningJob final : private adb::ShellEvents {
 public:
  // Told once, when the command has ended on the phone or its end cannot be known. May destroy the
  // RunningJob.
  using OnEnd = std::function<void(const adb::ShellEnd&)>;

  RunningJob(Loop& loop, OutputBudget& budget, std::size_t max_output, OnEnd on_end);

  // Sends the command; its run timeout counts from here.
  void start(adb::Connection& link, const JobRef& job);
  // Kills it on the phone because a user wants it gone.
  void cancel();
  bool killed() const { return killed_ != Killed::kNo; }

  // The outcome, from how it ended and why it may have been killed.
  store::JobOutcome outcome(const adb::ShellEnd& end, std::uint32_t run_timeout_s);
  // What its output holds of the budget, which the caller gives back when the outcome is stored. The last
  // call.
  std::size_t hand_over_budget() { return output_.hand_over(); }

 private:
  enum class Killed { kNo, kTimeout, kCancel };

  void on_output(adb::Output from, std::string_view bytes) override { output_.append(from, bytes); }
  void on_end(const adb::ShellEnd& end) override;
  void kill(Killed why);

  Loop& loop_;
  OnEnd on_end_;
  JobOutput output_;
  Timer run_timer_;
  Killed killed_ = Killed::kNo;
  std::int64_t begun_ms_ = 0;
  std::unique_ptr<adb::Shell> shell_;
};

}  // namespace drover::task
