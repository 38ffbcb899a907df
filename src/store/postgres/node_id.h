// Which node this is, over its starts: so that one which crashed finds the lease that it left behind.
#pragma once

#include <string>

#include "base/result.h"
#include "store/file_lock.h"

namespace drover::store::postgres {

// A random name in a file. While this lives no other process has it.
class NodeId {
 public:
  // Makes the file when it is missing; its folder must be there. kLocked if another process has it,
  // kUnavailable if it cannot be read or made, kCorrupt if it holds something else.
  static Result<NodeId> take(const std::string& path);

  const std::string& text() const { return text_; }  // 32 lower-case hex digits
  void release() { lock_.release(); }

 private:
  std::string text_;
  FileLock lock_;
};

}  // namespace drover::store::postgres
