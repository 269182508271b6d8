// HDF5 files of contiguous, unfiltered, early-allocated arrays: every array is one byte range of the file, so
// it can be read without the library. Little-endian, libver 1.8 (checksummed metadata), no time stamps: same
// calls, same bytes. No file locking (it fails on some cluster file systems). The library is one critical
// section: callers serialise. Throws: Error(bad_data) when reading and Error(io) when writing, with the
// file's name and the library's words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vitrail::datasets {

std::string hdf5_library();  // its version, "1.10.8"

struct ElementType {
  enum class Kind { u8, u16, u32, u64, f32, f64, text };
  Kind kind = Kind::u8;
  std::size_t text_bytes = 0;  // length of every text, padded with NULs

  std::size_t bytes() const;
  bool operator==(const ElementType&) const = default;
};

struct ArrayInfo {
  ElementType type;
  std::vector<std::uint64_t> shape;
  std::uint64_t address = 0;  // of the first byte, from the start of the file; 0 where there are no bytes

  std::uint64_t elements() const;
  std::uint64_t bytes() const { return elements() * type.bytes(); }
};

// An HDF5 identifier, closed by the destructor.
class Hdf5Handle {
 public:
  using Closer = int (*)(std::int64_t);
  Hdf5Handle(std::int64_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Hdf5Handle();
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_), closer_(other.closer_) { other.id_ = -1; }
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;

  std::int64_t id() const { return id_; }
  int close();  // the library's verdict

 private:
  std::int64_t id_;
  Closer closer_;
};

class H5File {
 public:
  // Whatever takes `large_bytes` or more starts at a multiple of `alignment`. An existing file is replaced.
  static H5File create(const std::filesystem::path& path, std::uint64_t large_bytes, std::uint64_t alignment);
  static H5File open(const std::filesystem::path& path);  // for reading
  // A file that never touches a disk, which HDF5 may not survive when it is full: the caller writes image().
  static H5File in_memory(const std::string& name);

  void create_group(const std::string& name);
  ArrayInfo create_array(const std::string& name, ElementType type, const std::vector<std::uint64_t>& shape);
  // Rows [first, first + count) along the first dimension; `bytes` is exactly their size.
  void write(const std::string& name, std::uint64_t first, std::uint64_t count,
             std::span<const std::byte> bytes);
  void read(const std::string& name, std::uint64_t first, std::uint64_t count,
            std::span<std::byte> bytes) const;
  ArrayInfo array(const std::string& name) const;  // Error(bad_data) if it is not one plain byte range

  void set_attribute(const std::string& name, const std::string& text);
  std::string attribute(const std::string& name) const;

  std::span<std::byte> image();  // of a file in memory, all arrays laid out; arrays may be filled through it

  void close();  // flushes; throws where the destructor could only swallow

 private:
  H5File(std::filesystem::path path, Hdf5Handle file) : path_(std::move(path)), file_(std::move(file)) {}
  Hdf5Handle open_array(const std::string& name) const;
  void transfer(const std::string& name, std::uint64_t first, std::uint64_t count, std::size_t bytes,
                const std::byte* source, std::byte* target) const;

  std::filesystem::path path_;
  Hdf5Handle file_;
};

}  // namespace vitrail::datasets
