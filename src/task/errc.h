// Why a request about tasks is not carried out.
#pragma once

#include <system_error>

namespace drover::task {

enum class Errc {
  kQueueFull = 1,  // this node holds as many jobs, or as much memory of open tasks, as it may
  kDraining,       // the node is stopping
  kNotStored,      // the store failed: nothing was accepted
  kNotFound,       // no such task in this project
  kLinkCut,        // a user removed the instance, or gave it a new address, while its command ran
  kProjectFull,    // the project holds as much of the queue as one project may
  kTooLarge,       // the task alone is more than a project may ever hold
  kNotKnown,       // the store has not answered for long: the request may have been carried out
};

std::error_code make_error_code(Errc code);

}  // namespace drover::task

template <>
struct std::is_error_code_enum<drover::task::Errc> : std::true_type {};
