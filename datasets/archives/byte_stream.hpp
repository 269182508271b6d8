// Bytes from first to last: a part of a file, a member of an archive, what a compressed file holds. Throws:
// Error(bad_data) for one that stops early, naming the byte; Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual std::size_t read(std::span<std::byte> target) = 0;  // 0 at the end
  // How far it went without reading; what is left is read.
  virtual std::uint64_t skip(std::uint64_t /*bytes*/) { return 0; }
};

// Bytes [begin, begin + bytes) of a file that outlives it.
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

}  // namespace vitrail::datasets
