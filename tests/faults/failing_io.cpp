// A library for LD_PRELOAD: in one rank, one call that changes files below a folder fails, as a dying disk
// lets it. FAILING_IO = RANK:N:ERRNO:FOLDER; N counts such calls from 1. Which one failed is written to
// FAILING_IO_REPORT.
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

struct Plan {
  long at = 0;  // 0: nothing fails here
  int error = 0;
  const char* folder = "";

  Plan() {
    const char* text = std::getenv("FAILING_IO");
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    char* end = nullptr;
    if (!text || std::strtol(text, &end, 10) != (rank ? std::atol(rank) : 0)) return;
    at = std::strtol(end + 1, &end, 10);
    error = static_cast<int>(std::strtol(end + 1, &end, 10));
    folder = end + 1;
  }
};

bool fails(const char* call, const char* path) {
  static const Plan plan;
  static std::atomic<long> calls{0};
  if (plan.at == 0 || std::strncmp(path, plan.folder, std::strlen(plan.folder)) != 0) return false;
  if (++calls != plan.at) return false;
  if (const char* report = std::getenv("FAILING_IO_REPORT")) {
    if (std::FILE* file = std::fopen(report, "w")) {
      std::fprintf(file, "%s %s\n", call, path);
      std::fclose(file);
    }
  }
  errno = plan.error;
  return true;
}

bool fails(const char* call, int descriptor) {
  char link[64], path[PATH_MAX] = "";
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  return ::readlink(link, path, sizeof path - 1) > 0 && fails(call, path);
}

template <class Function>
Function* original(Function*, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int open_or_fail(const char* name, const char* path, int flags, mode_t mode) {
  static auto* const real = reinterpret_cast<int (*)(const char*, int, ...)>(::dlsym(RTLD_NEXT, "open64"));
  if ((flags & O_ACCMODE) != O_RDONLY && fails(name, path)) return -1;
  return real(path, flags, mode);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_or_fail("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_or_fail("open", path, flags, mode);
}

ssize_t write(int descriptor, const void* bytes, size_t count) {
  static auto* const real = original(&::write, "write");
  return fails("write", descriptor) ? -1 : real(descriptor, bytes, count);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t count, off64_t offset) {
  static auto* const real = original(&::pwrite64, "pwrite64");
  return fails("write", descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  static auto* const real = original(&::pwrite, "pwrite");
  return fails("write", descriptor) ? -1 : real(descriptor, bytes, count, offset);
}

int fsync(int descriptor) {
  static auto* const real = original(&::fsync, "fsync");
  return fails("fsync", descriptor) ? -1 : real(descriptor);
}

int ftruncate(int descriptor, off_t length) noexcept {
  static auto* const real = original(&::ftruncate, "ftruncate");
  return fails("ftruncate", descriptor) ? -1 : real(descriptor, length);
}

int rename(const char* from, const char* to) noexcept {
  static auto* const real = original(&::rename, "rename");
  return fails("rename", to) ? -1 : real(from, to);
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const real = original(&::mkdir, "mkdir");
  return fails("mkdir", path) ? -1 : real(path, mode);
}

int symlink(const char* target, const char* path) noexcept {
  static auto* const real = original(&::symlink, "symlink");
  return fails("symlink", path) ? -1 : real(target, path);
}

}  // extern "C"
