// A folder in memory, where there is one, for targets that read files. It is removed with its content.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include <unistd.h>

#include "tests/fuzz/fuzz.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::tests {

class FuzzFolder {
 public:
  FuzzFolder() { std::filesystem::create_directories(path_); }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void put(const std::string& name, std::span<const std::byte> bytes) const {
    File file(path_ / name, File::Mode::create);
    file.write(bytes);
  }
  void put(const std::string& name, const std::string& bytes) const {
    put(name, std::as_bytes(std::span(bytes)));
  }

 private:
  static std::filesystem::path place() {
    const std::filesystem::path shared = "/dev/shm";
    const auto parent =
        std::filesystem::is_directory(shared) ? shared : std::filesystem::temp_directory_path();
    return parent / fmt::format("vitrail_fuzz_{}", ::getpid());
  }

  const std::filesystem::path path_ = place();
};

}  // namespace vitrail::tests
