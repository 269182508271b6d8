// Tar archives, plain or gzip, through libarchive: members in the order they stand, from any stream of bytes.
// Over a file whose members are skipped only headers are read, so a terabyte is listed without touching its
// images. Throws: Error(bad_data) naming archive and member; Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trainer/base/atomic_file.hpp"

struct archive;

namespace vitrail::datasets {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual std::size_t read(std::span<std::byte> target) = 0;  // 0 at the end
  // How far it went without reading; what is left is read.
  virtual std::uint64_t skip(std::uint64_t /*bytes*/) { return 0; }
};

// Bytes [begin, begin + bytes) of a file that outlives it. Error(bad_data) when the file is shorter.
class FileRange final : public ByteStream {
 public:
  FileRange(const File& file, std::uint64_t begin, std::uint64_t bytes)
      : file_(file), begin_(begin), at_(begin), end_(begin + bytes) {}

  std::size_t read(std::span<std::byte> target) override;
  std::uint64_t skip(std::uint64_t bytes) override;
  std::uint64_t done() const { return at_ - begin_; }

 private:
  const File& file_;
  std::uint64_t begin_, at_, end_;
};

struct ArchiveMember {
  std::string name;            // without "./" in front; not always UTF-8
  std::uint64_t bytes = 0;     // as the header says
  std::uint64_t position = 0;  // of its first byte, from the start of the (decompressed) archive
  bool is_file = true;         // else a link, a device, a file with holes; folders are not shown
};

class ArchiveReader {
 public:
  enum class Form { tar, tar_gz };

  // `name` is for messages. `piece`: bytes asked of the stream at once.
  ArchiveReader(ByteStream& stream, std::string name, Form form, std::size_t piece);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  std::optional<ArchiveMember> next();
  // The current member's bytes: some, or (up to `limit`, Error(bad_data) beyond) all.
  std::size_t read(std::span<std::byte> target);
  std::vector<std::byte> read_all(std::uint64_t limit);

 private:
  static std::ptrdiff_t on_read(archive* reader, void* self, const void** bytes);
  static std::int64_t on_skip(archive* reader, void* self, std::int64_t bytes);
  [[noreturn]] void fail(const std::string& where);

  ByteStream& stream_;
  const std::string name_;
  std::string member_;  // the current one
  std::uint64_t member_bytes_ = 0;
  std::vector<std::byte> piece_;
  std::exception_ptr failure_;  // of the stream: no exception may pass through libarchive
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

// The current member of an archive as a stream: a tar inside a tar.
class MemberStream final : public ByteStream {
 public:
  explicit MemberStream(ArchiveReader& outer) : outer_(outer) {}
  std::size_t read(std::span<std::byte> target) override { return outer_.read(target); }

 private:
  ArchiveReader& outer_;
};

// All members of the plain tar that is bytes [begin, begin + bytes) of `file`, by their headers alone;
// positions count from the start of the file. Error(bad_data) for one that ends before its members do.
std::vector<ArchiveMember> list_tar(const File& file, std::uint64_t begin, std::uint64_t bytes,
                                    const std::string& name);

}  // namespace vitrail::datasets
