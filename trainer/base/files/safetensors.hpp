// The safetensors container: named, typed, shaped byte ranges in one file (8-byte header length, JSON header,
// data). Reading checks every claim of the header against the file before anything is allocated for it: no
// byte is left over. Throws: Error(bad_data) naming file and tensor, or what the file is instead; Error(io).
// Source: the format's README at huggingface/safetensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trainer/base/data_type.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail {

struct TensorInfo {
  DataType type = DataType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // byte range behind the header

  std::int64_t elements() const;
};

class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const TensorInfo& info(const std::string& name) const;  // Error(bad_data) if absent

  // Bytes of the whole tensor, or `bytes.size()` of them from `offset` (bytes) on.
  void read(const std::string& name, std::span<std::byte> bytes, std::uint64_t offset = 0) const;
  std::vector<float> read_as_float(const std::string& name) const;  // from f16, bf16, f32 or f64
  std::vector<double> read_as_double(const std::string& name) const;

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  using ByteRanges = std::map<std::uint64_t, std::pair<std::uint64_t, std::string>>;  // begin: end, name

  std::uint64_t header_bytes() const;
  void parse_header(const std::string& header, std::uint64_t data_bytes);
  void check_ranges(const ByteRanges& ranges, std::uint64_t data_bytes) const;

  File file_;
  std::uint64_t data_begin_ = 0;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// One tensor to write: the bytes must live until write_safetensors returns.
struct TensorBytes {
  DataType type = DataType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// A file whose bytes come piece by piece: types and shapes first, then all tensors' bytes in name order.
// There is no file until commit(), which is refused (Error(crash)) while bytes are missing.
class SafetensorsWriter {
 public:
  struct Entry {
    DataType type = DataType::f32;
    std::vector<std::int64_t> shape;
  };
  SafetensorsWriter(const std::filesystem::path& path, const std::map<std::string, Entry>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  void append(std::span<const std::byte> bytes);
  void commit();

 private:
  std::filesystem::path path_;
  std::uint64_t missing_ = 0;  // bytes
  File file_;
};

// Atomic; tensors in name order, so the same content gives the same bytes.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace vitrail
