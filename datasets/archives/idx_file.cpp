#include "datasets/archives/idx_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// The whole file, decompressed; a plain file passes through zlib as it is.
class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) throw io_error("cannot open", path, errno);
  }

  std::vector<std::uint8_t> rest() {
    std::vector<std::uint8_t> all;
    for (std::array<std::uint8_t, 1 << 16> piece{};;) {
      const int count = gzread(file_.get(), piece.data(), piece.size());
      int code = Z_OK;
      const char* words = gzerror(file_.get(), &code);
      if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END)) {
        if (code == Z_ERRNO) throw io_error("cannot read", path_, errno);
        throw Error(ExitCode::bad_data, fmt::format("{}: not whole: {}", path_, words));
      }
      if (count == 0) return all;
      all.insert(all.end(), piece.begin(), piece.begin() + count);
    }
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  const std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

}  // namespace

IdxArray read_idx(const std::string& path, std::size_t dimensions) {
  std::vector<std::uint8_t> bytes = GzipFile(path).rest();
  const std::size_t head = 4 + 4 * dimensions;
  if (bytes.size() < head || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 8 || bytes[3] != dimensions) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: not an IDX file of unsigned bytes with {} dimension{}", path, dimensions,
                            dimensions == 1 ? "" : "s"),
                "images have 3 dimensions, labels 1; they are named in this order: IMAGES,LABELS");
  }
  IdxArray array;
  std::size_t left = bytes.size() - head;  // divided by each dimension in turn: no product can overflow
  bool fits = true;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::uint8_t* p = &bytes[4 + 4 * d];
    const std::size_t extent =
        std::size_t{p[0]} << 24 | std::size_t{p[1]} << 16 | std::size_t{p[2]} << 8 | p[3];
    array.shape.push_back(extent);
    fits = fits && extent != 0 && left % extent == 0;
    if (fits) left /= extent;
  }
  if (!fits || left != 1) {
    throw Error(ExitCode::bad_data, fmt::format("{}: the header says {} but {} bytes follow", path,
                                                fmt::join(array.shape, " x "), bytes.size() - head));
  }
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head));
  array.values = std::move(bytes);
  return array;
}

}  // namespace vitrail::datasets
