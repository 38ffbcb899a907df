#include "base/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/descriptor.h"
#include "base/sync_folder.h"

namespace drover {
namespace {

// All below give errno's value, 0 when it went well.

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno != EINTR) return errno;
    if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return 0;
}

int fill(int fd, std::string_view bytes, mode_t mode) {
  if (::fchmod(fd, mode) != 0) return errno;
  if (const int error = write_all(fd, bytes); error != 0) return error;
  return ::fsync(fd) == 0 ? 0 : errno;
}

int put_in_place(const std::string& beside, const std::string& path, IfThere if_there) {
  if (if_there == IfThere::kReplace) return ::rename(beside.c_str(), path.c_str()) == 0 ? 0 : errno;
  // Unlike a rename, a link never takes the place of another file.
  if (::link(beside.c_str(), path.c_str()) != 0) return errno;
  ::unlink(beside.c_str());
  return 0;
}

int write_file(const std::string& path, std::string_view bytes, mode_t mode, IfThere if_there) {
  std::string beside = path + ".XXXXXX";
  const Descriptor file(::mkostemp(beside.data(), O_CLOEXEC));  // nobody else may read it
  if (!file.is_open()) return errno;
  int error = fill(file.get(), bytes, mode);
  if (error == 0) error = put_in_place(beside, path, if_there);
  if (error == 0) return sync_folder_of(path) ? 0 : errno;
  ::unlink(beside.c_str());
  return error;
}

}  // namespace

Result<> write_durably(const std::string& path, std::string_view bytes, mode_t mode, IfThere if_there) {
  const int error = write_file(path, bytes, mode, if_there);
  if (error == 0) return {};
  const std::error_code code(error, std::generic_category());
  return Failure(Error{code, path + ": " + code.message()});
}

}  // namespace drover
