#include "task/taken_up.h"

#include <string_view>

namespace drover::task {
namespace {

std::string count(std::size_t number, std::string_view what) {
  return std::to_string(number).append(" ").append(what).append(number == 1 ? "" : "s");
}

}  // namespace

std::string TakenUp::text() const {
  std::string text = "took up " + count(tasks, "open task");
  if (going_on > 0) text += ": " + count(going_on, "job") + (going_on == 1 ? " goes on" : " go on");
  if (interrupted > 0)
    text += (going_on > 0 ? ", " : ": ") + count(interrupted, "job") + " had begun and " +
            (interrupted == 1 ? "ends" : "end") + " as interrupted";
  return text;
}

}  // namespace drover::task
