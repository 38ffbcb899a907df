// Small files that a power cut leaves whole: keys, which nobody could make again.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace drover {

enum class IfThere { kReplace, kFail };

// Makes the file at `path` with all of `bytes` and exactly this mode, or changes nothing there: the new file
// is written beside it, synced, put in place, and its folder is synced. Blocks on the disk. Any thread, and
// any number of processes.
//
// Failures carry the system's own code, std::errc::file_exists for kFail among them, and name the path, never
// the bytes. A failure of the very last step leaves the file in place, whole, and perhaps not yet durable.
Result<> write_durably(const std::string& path, std::string_view bytes, mode_t mode, IfThere if_there);

}  // namespace drover
