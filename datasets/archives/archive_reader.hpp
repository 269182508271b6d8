// Tar archives through libarchive: members in the order they stand, from any stream of bytes. Over a file
// whose members are skipped only headers are read, so a terabyte is listed without touching its images.
// Throws: Error(bad_data) naming archive and member, also behind the last one where the archive is not whole
// (tar_end.hpp); Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datasets/archives/byte_stream.hpp"
#include "datasets/archives/compression.hpp"

struct archive;

namespace vitrail::datasets {

struct ArchiveMember {
  std::string name;            // without "./" in front; not always UTF-8
  std::uint64_t bytes = 0;     // as the header says
  std::uint64_t position = 0;  // of its first byte, from the start of the (decompressed) archive
  bool is_file = true;         // else a link, a device, a file with holes; folders are not shown
};

class ArchiveReader {
 public:
  // `name` is for messages. `piece`: bytes asked of the stream at once.
  ArchiveReader(ByteStream& stream, std::string name, std::size_t piece);
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
  void keep_recent();
  void check_end();

  ByteStream& stream_;
  const std::string name_;
  std::string member_;  // the current one
  std::uint64_t member_bytes_ = 0;
  std::vector<std::byte> piece_;
  std::size_t in_piece_ = 0;       // bytes of the stream in it
  std::uint64_t given_ = 0;        // bytes of the stream up to its end, read or skipped
  std::vector<std::byte> recent_;  // that came right before the piece: as many as an end mark has
  std::string head_;               // what the stream begins with
  Compression compression_ = Compression::none;
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
