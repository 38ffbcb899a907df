// Tasks and jobs as Drover's own API writes them.
#pragma once

#include "api/json_writer.h"
#include "store/store.h"
#include "task/live_task.h"

namespace drover::api::native {

// Members of a task object, with counts from memory.
void append_task(JsonWriter& json, const task::LiveTask& task);
// The same of a task that is no longer in memory. How its jobs that did not succeed ended is not in the
// summary: with any of these, `failed`, `lost` and `cancelled` are null.
void append_task(JsonWriter& json, const store::Store::TaskSummary& summary);

// Members of a job object, up to `output_hash`. `outcome` is null until the job has ended.
void append_job(JsonWriter& json, const store::Task& task, std::uint32_t index, store::JobState state,
                const store::JobOutcome* outcome);

}  // namespace drover::api::native
