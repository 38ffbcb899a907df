// The Unix socket by which a running simulator is told what to do.
//
// One line each way. "fault RANGE FAULT", "clear RANGE [KIND]", "stats"; the answer begins with "ok" or
// "error".
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "sim/poller.h"

namespace drover::sim {

class Simulator;

// Listens until destroyed; then the socket's file is gone.
class ControlServer {
 public:
  virtual ~ControlServer() = default;

  // kFile if the socket cannot be made. One that a dead simulator left behind is replaced.
  static Result<std::unique_ptr<ControlServer>> start(Poller& poller, Simulator& simulator,
                                                      const std::string& path);
};

// Obeys one line and returns the answer, without its line end.
std::string obey(Simulator& simulator, std::string_view line);

}  // namespace drover::sim
