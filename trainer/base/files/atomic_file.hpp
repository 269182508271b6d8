// Files that are whole or absent: written under a temporary name, synced, renamed, folder synced.
// Throws: Error(io) naming the file and the operating system's reason.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vitrail {

// An open file descriptor; closed by the destructor.
class File {
 public:
  // create: truncates; create_new: refuses what is there; append: creates where missing
  enum class Mode { read, create, create_new, append };

  File(const std::filesystem::path& path, Mode mode);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;

  std::uint64_t size() const;
  void write(std::span<const std::byte> bytes);              // all of it, at the current position
  std::size_t write_some(std::span<const std::byte> bytes);  // what could be written, 1 byte at least
  void read_at(std::uint64_t offset,
               std::span<std::byte> bytes) const;  // all of it; Error(io) if the file is shorter
  void truncate(std::uint64_t size);
  void sync();
  void close();  // throws where the destructor could only swallow

  int descriptor() const { return fd_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

std::string read_text(const std::filesystem::path& path);
std::vector<std::byte> read_bytes(const std::filesystem::path& path);
void write_text_atomically(const std::filesystem::path& path, const std::string& text);
void write_bytes_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

// Error(io) where `path` is there and no regular file: renaming over a device would leave a file in its
// place.
void check_replaceable(const std::filesystem::path& path);

void make_directories(const std::filesystem::path& path);
void sync_directory(const std::filesystem::path& path);  // makes renames inside it durable
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace vitrail
