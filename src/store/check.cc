#include "store/check.h"

namespace drover::store {

std::string how_to_go_on(const std::string& folder) {
  const std::string aside = folder + ".damaged";
  return "A backup that `drover backup` made goes on from where it was made (stop the server first):\n"
         "  mv " +
         folder + " " + aside + " && cp -a BACKUP " + folder +
         "\nWithout one, begin anew, with the ADB key that phones know:\n"
         "  mkdir -m 700 " +
         aside + " && mv " + folder + "/drover.db* " + aside;
}

}  // namespace drover::store
