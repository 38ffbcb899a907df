// A file's name is on the disk only when its folder is.
#pragma once

#include <string>

namespace drover {

// Makes it durable which files the folder that holds `path` has. False: see errno.
bool sync_folder_of(const std::string& path);

}  // namespace drover
