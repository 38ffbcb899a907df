// What a node goes on with after a start, or instead of another: for the log.
#pragma once

#include <cstddef>
#include <string>

namespace drover::task {

struct TakenUp {
  std::size_t tasks = 0;
  std::size_t going_on = 0;     // jobs
  std::size_t interrupted = 0;  // likewise: they had begun

  // What there is none of is left out.
  std::string text() const;
};

}  // namespace drover::task
