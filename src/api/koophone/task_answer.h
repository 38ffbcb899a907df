// KooPhone's answers about commands and their tasks.
#pragma once

#include <memory>
#include <string>

#include "task/live_task.h"

namespace drover::api::koophone {

// A task of more jobs, which only Drover's own API makes, is read through that API.
inline constexpr std::size_t kMostJobsInAnswer = 10'000;

// async-command: the task's id, and a job for each instance.
std::string accepted_answer(const store::Task& task);

// tasks/{task_id}: what has become of each job. Made once for a finished task of usual size, and kept with
// it.
std::shared_ptr<const std::string> task_answer(task::LiveTask& task);

// sync-command: the same for each instance.
std::string sync_answer(const task::LiveTask& task);

}  // namespace drover::api::koophone
