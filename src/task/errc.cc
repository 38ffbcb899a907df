#include "task/errc.h"

#include <string>

namespace drover::task {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "drover.task"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::kQueueFull:
        return "the queue is full; try again when jobs have ended";
      case Errc::kProjectFull:
        return "this project's share of the queue is full; try again when some of its jobs have ended";
      case Errc::kTooLarge:
        return "the task is larger than the queue (jobs.max_queued, jobs.max_queued_per_project or "
               "jobs.queue_memory): send it in parts";
      case Errc::kDraining:
        return "this node is stopping";
      case Errc::kNotStored:
        return "the store is unavailable; nothing was accepted";
      case Errc::kNotFound:
        return "no such task in this project";
      case Errc::kLinkCut:
        return "the instance was removed or got a new address while the command ran";
      case Errc::kNotKnown:
        return "the store does not answer, so the request may have been carried out: look at the tasks "
               "before "
               "sending it again";
    }
    return "unknown task error";
  }
};

}  // namespace

std::error_code make_error_code(Errc code) {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace drover::task
