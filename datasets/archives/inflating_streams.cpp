#include "datasets/archives/inflating_streams.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <zlib.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::size_t kCompressedAtOnce = std::size_t{1} << 16;
constexpr const char* kComparePublisher =
    "is the download complete? Compare its size or checksum with the publisher's";

Error broken(const std::string& name, const std::string& what) {
  return {ExitCode::bad_data, fmt::format("{}: {}", name, what), kComparePublisher};
}

// What stands behind the last gzip member or xz stream: zeros that fill up a record, as gzip itself takes
// them, or nothing. `known` begins at byte `at`.
void check_nothing_follows(const std::string& name, std::uint64_t at, std::span<const std::byte> known,
                           ByteStream& rest) {
  constexpr std::uint64_t kMostZeros = 10'240;
  std::array<std::byte, 4096> piece{};
  std::uint64_t zeros = 0;
  for (std::span<const std::byte> bytes = known;;) {
    const auto odd = std::ranges::find_if(bytes, [](std::byte b) { return b != std::byte{0}; });
    zeros += static_cast<std::uint64_t>(odd - bytes.begin());
    if (odd != bytes.end() || zeros > kMostZeros) break;
    const std::size_t count = rest.read(piece);
    if (count == 0) return;
    bytes = std::span(piece).first(count);
  }
  throw broken(name, fmt::format("the gzip stream ends at byte {}, but more follows", at));
}

class GzipStream final : public ByteStream {
 public:
  GzipStream(ByteStream& source, std::string name)
      : source_(source), name_(std::move(name)), input_(kCompressedAtOnce) {
    if (inflateInit2(&zlib_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~GzipStream() override { inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::size_t read(std::span<std::byte> target) override {
    zlib_.next_out = reinterpret_cast<Bytef*>(target.data());
    zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(target.size(), std::size_t{1} << 30));
    const uInt want = zlib_.avail_out;
    while (!ended_ && zlib_.avail_out == want) {
      if (zlib_.avail_in == 0 && !refill()) {
        throw broken(name_, fmt::format("incomplete: the gzip stream stops at byte {}", taken_));
      }
      const int status = inflate(&zlib_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        end_member();
      } else if (status == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        throw broken(name_, fmt::format("damaged gzip stream at byte {}: {}", place(),
                                        zlib_.msg == nullptr ? "not gzip" : zlib_.msg));
      }
    }
    return want - zlib_.avail_out;
  }

 private:
  std::uint64_t place() const { return taken_ - zlib_.avail_in; }

  bool refill() {
    const std::size_t count = source_.read(input_);
    zlib_.next_in = reinterpret_cast<Bytef*>(input_.data());
    zlib_.avail_in = static_cast<uInt>(count);
    taken_ += count;
    return count > 0;
  }

  // Several members in a row are one stream (RFC 1952, 2.2).
  void end_member() {
    if (zlib_.avail_in == 0) refill();
    if (zlib_.avail_in > 0 && *zlib_.next_in == 0x1f) {
      inflateReset(&zlib_);
      return;
    }
    const auto* rest = reinterpret_cast<const std::byte*>(zlib_.next_in);
    check_nothing_follows(name_, place(), {rest, zlib_.avail_in}, source_);
    ended_ = true;
  }

  ByteStream& source_;
  const std::string name_;
  std::vector<std::byte> input_;
  z_stream zlib_{};
  std::uint64_t taken_ = 0;  // from the source
  bool ended_ = false;
};

class FilteredStream final : public ByteStream {
 public:
  FilteredStream(ByteStream& source, const std::string& form, std::string name)
      : source_(source),
        form_(form),
        name_(std::move(name)),
        input_(kCompressedAtOnce),
        archive_(archive_read_new(), archive_read_free) {
    if (!archive_) throw std::bad_alloc();
    archive* const reader = archive_.get();
    archive_read_support_format_raw(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    archive_read_support_filter_lz4(reader);
    archive_read_support_filter_compress(reader);
    archive_read_set_callback_data(reader, this);
    archive_read_set_read_callback(reader, on_read);
    archive_entry* entry = nullptr;
    if (archive_read_open1(reader) != ARCHIVE_OK || archive_read_next_header(reader, &entry) != ARCHIVE_OK)
      fail();
  }

  std::size_t read(std::span<std::byte> target) override {
    const auto count = archive_read_data(archive_.get(), target.data(), target.size());
    if (count < 0) fail();
    return static_cast<std::size_t>(count);
  }

 private:
  static std::ptrdiff_t on_read(archive* /*reader*/, void* self, const void** bytes) {
    auto* stream = static_cast<FilteredStream*>(self);
    try {
      *bytes = stream->input_.data();
      const std::size_t count = stream->source_.read(stream->input_);
      stream->taken_ += count;
      return static_cast<std::ptrdiff_t>(count);
    } catch (...) {
      stream->failure_ = std::current_exception();
      return ARCHIVE_FATAL;
    }
  }

  [[noreturn]] void fail() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    const char* words = archive_error_string(archive_.get());
    throw broken(name_, fmt::format("the {} stream is cut or damaged before byte {}: {}", form_, taken_,
                                    words == nullptr ? "unknown form" : words));
  }

  ByteStream& source_;
  const std::string form_, name_;
  std::vector<std::byte> input_;
  std::uint64_t taken_ = 0;
  std::exception_ptr failure_;  // of the source: no exception may pass through libarchive
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace

std::unique_ptr<ByteStream> open_gzip(ByteStream& compressed, const std::string& name) {
  return std::make_unique<GzipStream>(compressed, name);
}

std::unique_ptr<ByteStream> open_filtered(ByteStream& compressed, const std::string& form,
                                          const std::string& name) {
  return std::make_unique<FilteredStream>(compressed, form, name);
}

}  // namespace vitrail::datasets
