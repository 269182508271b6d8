#include "trainer/base/files/atomic_file.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail {
namespace {

int flags_of(File::Mode mode) {
  switch (mode) {
    case File::Mode::read:  // a pipe under a file's name is opened as empty, instead of waited for
      return O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    case File::Mode::create:
      return O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
    case File::Mode::create_new:
      return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    case File::Mode::append:
      return O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  }
  return O_RDONLY | O_CLOEXEC;
}

}  // namespace

File::File(const std::filesystem::path& path, Mode mode) : path_(path) {
  do {
    fd_ = ::open(path.c_str(), flags_of(mode), 0666);
  } while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) throw io_error(mode == Mode::read ? "cannot open" : "cannot create", path, errno);
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) throw io_error("cannot stat", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void File::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(write_some(bytes));
}

std::size_t File::write_some(std::span<const std::byte> bytes) {
  for (;;) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n > 0 || bytes.empty()) return static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR) throw io_error("cannot write", path_, errno);
    if (n == 0) throw io_error("cannot write", path_, ENOSPC);
  }
}

void File::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("cannot read", path_, errno);
    if (n == 0) {
      throw Error(ExitCode::io, fmt::format("cannot read: {}: the file ends {} bytes before what is wanted",
                                            path_.string(), bytes.size()));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) throw io_error("cannot truncate", path_, errno);
}

void File::sync() {
  if (::fsync(fd_) != 0) throw io_error("cannot sync", path_, errno);
}

void File::close() {
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0) throw io_error("cannot close", path_, errno);
}

std::string read_text(const std::filesystem::path& path) {
  const File file(path, File::Mode::read);
  std::string text(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  const File file(path, File::Mode::read);
  std::vector<std::byte> bytes(file.size());
  file.read_at(0, bytes);
  return bytes;
}

void check_replaceable(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  using Type = std::filesystem::file_type;
  if (type == Type::regular || type == Type::not_found || type == Type::none) return;
  throw Error(ExitCode::io,
              fmt::format("cannot write: {}: it is there and is no regular file", path.string()),
              "name a file");
}

void write_bytes_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  check_replaceable(path);
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  File file(temporary, File::Mode::create);
  file.write(bytes);
  file.sync();
  file.close();
  rename_durably(temporary, path);
}

void write_text_atomically(const std::filesystem::path& path, const std::string& text) {
  write_bytes_atomically(path, std::as_bytes(std::span(text)));
}

void make_directories(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw io_error("cannot create folder", path, error.value());
}

void sync_directory(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw io_error("cannot open folder", path, errno);
  const int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some network file systems cannot sync a folder and say EINVAL; their renames are synchronous.
  if (failed != 0 && failed != EINVAL) throw io_error("cannot sync folder", path, failed);
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw io_error("cannot rename to", to, errno);
  const auto parent = to.parent_path();
  sync_directory(parent.empty() ? "." : parent);
}

}  // namespace vitrail
