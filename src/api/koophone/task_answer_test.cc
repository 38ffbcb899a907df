#include "api/koophone/task_answer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace drover::api::koophone {
namespace {

using store::JobError;
using store::JobOutcome;
using store::JobState;

store::Task task_of(std::vector<std::string> targets) {
  IdMaker ids;
  store::Task task;
  task.seq = 1;
  task.id = ids.next(1'700'000'000'000);
  task.targets = std::move(targets);
  return task;
}

JobOutcome outcome(JobState state, JobError error, std::string message = {}) {
  JobOutcome made;
  made.state = state;
  made.error = error;
  made.message = std::move(message);
  made.ended_ms = 1'700'000'002'000;
  return made;
}

JobOutcome success(std::string shown) {
  JobOutcome made = outcome(JobState::kSucceeded, JobError::kNone);
  made.begun_ms = 1'700'000'001'000;
  made.exit_code = 0;
  made.shown = std::move(shown);
  return made;
}

boost::json::value first_job(task::LiveTask& task) {
  return boost::json::parse(*task_answer(task)).at("data").at("jobs").at(0);
}

TEST(TaskAnswerTest, IsTheReferencesExample) {
  task::LiveTask task(task_of({"unknown", "p1"}));
  task.ended(0, outcome(JobState::kFailed, JobError::kPhoneNotFound, "Phone not found."));
  task.begun(1);
  task.ended(1, success("xxxxxx"));
  task.finish(1'700'000'002'000);
  const Id id = task.task().id;
  EXPECT_EQ(*task_answer(task),
            R"({"data":{"jobs":[{"job_id":")" + id.job(0).hex() +
                R"(","status":-1,"error_code":"CPS0005","error_msg":"Phone not found.","execute_msg":null},)"
                R"({"job_id":")" +
                id.job(1).hex() +
                R"(","status":2,"error_code":"","error_msg":"","execute_msg":"xxxxxx"}]},)"
                R"("error_code":"0","error_msg":"ok"})");
}

TEST(TaskAnswerTest, AcceptedAnswerNamesAJobForEachId) {
  const store::Task task = task_of({"b", "a", "b"});
  EXPECT_EQ(accepted_answer(task), R"({"data":{"task_id":")" + task.id.hex() +
                                       R"(","cmd_jobs":[{"instance_id":"b","job_id":")" +
                                       task.id.job(0).hex() + R"("},{"instance_id":"a","job_id":")" +
                                       task.id.job(1).hex() + R"("},{"instance_id":"b","job_id":")" +
                                       task.id.job(2).hex() + R"("}]},"error_code":"0","error_msg":"ok"})");
}

TEST(TaskAnswerTest, SyncAnswerShowsWhatIsNotFinishedAsRunning) {
  task::LiveTask task(task_of({"a", "b", "c"}));
  task.begun(0);
  task.begun(1);
  task.ended(1, success("out"));
  EXPECT_EQ(sync_answer(task),
            R"({"data":{"cmd_results":[)"
            R"({"instance_id":"a","status":1,"error_code":"","error_msg":"","execute_msg":null},)"
            R"({"instance_id":"b","status":2,"error_code":"","error_msg":"","execute_msg":"out"},)"
            R"({"instance_id":"c","status":1,"error_code":"","error_msg":"","execute_msg":null}]},)"
            R"("error_code":"0","error_msg":"ok"})");
}

TEST(TaskAnswerTest, EveryEndHasItsCode) {
  const std::tuple<JobState, JobError, const char*> cases[] = {
      {JobState::kFailed, JobError::kPhoneNotFound, "CPS0005"},
      {JobState::kFailed, JobError::kOffline, "DROVER.JOB.OFFLINE"},
      {JobState::kFailed, JobError::kUnauthorized, "DROVER.JOB.UNAUTHORIZED"},
      {JobState::kFailed, JobError::kExit, "DROVER.JOB.EXIT"},
      {JobState::kFailed, JobError::kTimeout, "DROVER.JOB.TIMEOUT"},
      {JobState::kLost, JobError::kDisconnected, "DROVER.JOB.DISCONNECTED"},
      {JobState::kLost, JobError::kInterrupted, "DROVER.JOB.INTERRUPTED"},
      {JobState::kCancelled, JobError::kCancelled, "DROVER.JOB.CANCELLED"},
      {JobState::kFailed, JobError::kExpired, "DROVER.JOB.EXPIRED"},
      {JobState::kFailed, JobError::kInternal, "DROVER.JOB.INTERNAL"},
  };
  for (const auto& [state, error, code] : cases) {
    task::LiveTask task(task_of({"p1"}));
    task.ended(0, outcome(state, error));
    const auto job = first_job(task);
    EXPECT_EQ(job.at("status").as_int64(), -1) << code;
    EXPECT_EQ(job.at("error_code").as_string(), code);
    EXPECT_FALSE(job.at("error_msg").as_string().empty()) << code;
    EXPECT_TRUE(job.at("execute_msg").is_null()) << code;
  }
}

TEST(TaskAnswerTest, FailedCommandKeepsItsOutput) {
  task::LiveTask task(task_of({"p1"}));
  JobOutcome failed = success("no such file");
  failed.state = JobState::kFailed;
  failed.error = JobError::kExit;
  failed.exit_code = 2;
  failed.message = "exit code 2";
  task.ended(0, failed);
  const auto job = first_job(task);
  EXPECT_EQ(job.at("error_msg").as_string(), "exit code 2");
  EXPECT_EQ(job.at("execute_msg").as_string(), "no such file");
}

TEST(TaskAnswerTest, OutputIsCutAtACharacter) {
  task::LiveTask task(task_of({"a", "b", "c"}));
  task.ended(0, success(""));
  task.ended(1, success(std::string(1023, 'x') + "\xc3\xa9"));
  task.ended(2, success(std::string(1000, '\xff')));
  const auto jobs = boost::json::parse(*task_answer(task)).at("data").at("jobs");
  EXPECT_EQ(jobs.at(0).at("execute_msg").as_string(), "");
  EXPECT_EQ(jobs.at(1).at("execute_msg").as_string(), std::string(1023, 'x'));
  // 341 replacement characters of three bytes are the most that fit.
  EXPECT_EQ(jobs.at(2).at("execute_msg").as_string().size(), 1023u);
}

TEST(TaskAnswerTest, IsMadeOnceWhenFinished) {
  task::LiveTask task(task_of({"p1"}));
  task.begun(0);
  const auto open = task_answer(task);
  EXPECT_EQ(task.kept_answer(), nullptr);
  task.ended(0, success("done"));
  task.finish(1'700'000'002'000);
  const auto first = task_answer(task);
  EXPECT_NE(*first, *open);
  EXPECT_EQ(task_answer(task), first);
}

TEST(TaskAnswerTest, LargeTasksAreWholeAndNotKept) {
  constexpr std::uint32_t kJobs = 1000;
  task::LiveTask task(task_of(std::vector<std::string>(kJobs, "p1")));
  for (std::uint32_t i = 0; i < kJobs; ++i) task.ended(i, success(std::to_string(i)));
  task.finish(1'700'000'002'000);
  const auto jobs = boost::json::parse(*task_answer(task)).at("data").at("jobs").as_array();
  ASSERT_EQ(jobs.size(), kJobs);
  for (std::uint32_t i = 0; i < kJobs; ++i) {
    EXPECT_EQ(jobs[i].at("execute_msg").as_string(), std::to_string(i));
    EXPECT_EQ(jobs[i].at("job_id").as_string(), task.task().id.job(i).hex());
  }
  EXPECT_EQ(task.kept_answer(), nullptr);
}

}  // namespace
}  // namespace drover::api::koophone
