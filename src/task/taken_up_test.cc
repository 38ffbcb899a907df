#include "task/taken_up.h"

#include <gtest/gtest.h>

namespace drover::task {
namespace {

TEST(TakenUpTest, WhatThereIsNoneOfIsLeftOut) {
  EXPECT_EQ((TakenUp{.tasks = 3, .going_on = 5, .interrupted = 2}).text(),
            "took up 3 open tasks: 5 jobs go on, 2 jobs had begun and end as interrupted");
  EXPECT_EQ((TakenUp{.tasks = 1, .going_on = 1, .interrupted = 0}).text(),
            "took up 1 open task: 1 job goes on");
  EXPECT_EQ((TakenUp{.tasks = 1, .going_on = 0, .interrupted = 1}).text(),
            "took up 1 open task: 1 job had begun and ends as interrupted");
  EXPECT_EQ((TakenUp{.tasks = 2, .going_on = 0, .interrupted = 0}).text(), "took up 2 open tasks");
}

}  // namespace
}  // namespace drover::task
