// What `drover doctor` looks at outside of the database. Each check changes nothing and gives what it found.
#pragma once

#include <vector>

#include "cli/config.h"
#include "store/check.h"

namespace drover::cli {

// The folder and what is in it: owner, modes. One finding at least.
std::vector<store::Finding> check_folder(const Config& config);
// Room left, and whether the file system is one that a database with a log can live on.
std::vector<store::Finding> check_disk(const Config& config);
// Of a folder for which lacks_store() holds.
store::Finding check_node(const Config& config);
store::Finding check_key(const Config& config);
// Whether the master key is there and opens every access key of the database.
store::Finding check_master_key(const Config& config, const store::CheckReport& report);
// Of a server that speaks TLS.
store::Finding check_certificate(const Config& config);
// Whether there are descriptors enough for a link to each instance: of the server if its process is known,
// else of one that this user starts from here.
store::Finding check_descriptors(const Config& config, const store::CheckReport& report);

}  // namespace drover::cli
