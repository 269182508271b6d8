#include "datasets/archives/archive_reader.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "datasets/archives/compression.hpp"
#include "datasets/archives/tar_end.hpp"
#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/foreign_file.hpp"

namespace vitrail::datasets {
namespace {

// Around a header lies an image: reading much more than the header would read the archive.
constexpr std::size_t kHeaderPiece = 2048;

constexpr std::size_t kTarMagic = 257;  // where "ustar" stands in a header

std::string name_of(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) name = archive_entry_pathname_utf8(entry);
  std::string text = name == nullptr ? "" : name;
  while (text.starts_with("./")) text.erase(0, 2);
  return text;
}

}  // namespace

ArchiveReader::ArchiveReader(ByteStream& stream, std::string name, std::size_t piece)
    : stream_(stream),
      name_(std::move(name)),
      piece_(piece),
      archive_(archive_read_new(), archive_read_free) {
  if (!archive_) throw std::bad_alloc();
  archive_read_support_format_tar(archive_.get());
  archive_read_set_callback_data(archive_.get(), this);
  archive_read_set_read_callback(archive_.get(), on_read);
  archive_read_set_skip_callback(archive_.get(), on_skip);
  if (archive_read_open1(archive_.get()) != ARCHIVE_OK) fail(name_);
}

ArchiveReader::~ArchiveReader() = default;

std::ptrdiff_t ArchiveReader::on_read(archive* /*reader*/, void* self, const void** bytes) {
  auto* reader = static_cast<ArchiveReader*>(self);
  try {
    reader->keep_recent();
    *bytes = reader->piece_.data();
    reader->in_piece_ = reader->stream_.read(reader->piece_);
    if (reader->given_ == 0) {
      reader->compression_ = compression_of(std::span(reader->piece_).first(reader->in_piece_));
      reader->head_.assign(reinterpret_cast<const char*>(reader->piece_.data()),
                           std::min(reader->in_piece_, kForeignHead));
    }
    reader->given_ += reader->in_piece_;
    return static_cast<std::ptrdiff_t>(reader->in_piece_);
  } catch (...) {
    reader->failure_ = std::current_exception();
    return ARCHIVE_FATAL;
  }
}

std::int64_t ArchiveReader::on_skip(archive* /*reader*/, void* self, std::int64_t bytes) {
  auto* reader = static_cast<ArchiveReader*>(self);
  if (bytes <= 0) return 0;
  const std::uint64_t skipped = reader->stream_.skip(static_cast<std::uint64_t>(bytes));
  if (skipped > 0) {
    reader->recent_.clear();
    reader->in_piece_ = 0;
    reader->given_ += skipped;
  }
  return static_cast<std::int64_t>(skipped);
}

void ArchiveReader::keep_recent() {
  const auto piece = std::span(piece_).first(in_piece_);
  recent_.insert(recent_.end(), piece.begin(), piece.end());
  if (recent_.size() > kTarEndMark) {
    recent_.erase(recent_.begin(), recent_.end() - static_cast<std::ptrdiff_t>(kTarEndMark));
  }
}

// Where the next header was looked for, the archive ends: libarchive asks for no more than an end mark from
// there.
void ArchiveReader::check_end() {
  const auto end = static_cast<std::uint64_t>(archive_read_header_position(archive_.get()));
  recent_.insert(recent_.end(), piece_.begin(), piece_.begin() + static_cast<std::ptrdiff_t>(in_piece_));
  const std::uint64_t known = given_ - std::min(end, given_);
  if (known > recent_.size()) {
    throw Error(ExitCode::crash,
                fmt::format("{}: lost sight of its end at byte {} of {}", name_, end, given_));
  }
  check_tar_end(name_, member_, end, std::span(recent_).last(known), stream_);
}

void ArchiveReader::fail(const std::string& where) {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (member_.empty() && compression_ != Compression::none) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: compressed ({}), not a plain tar", where, name_of(compression_)),
                way_out_of(compression_));
  }
  if (member_.empty() && given_ == 0)
    throw Error(ExitCode::bad_data, where + ": an empty file", "download it again");
  const char* const whole = "is the archive whole? Compare its size or checksum with the publisher's";
  if (member_.empty() && head_.find("ustar", kTarMagic) == kTarMagic)
    throw Error(ExitCode::bad_data, where + ": a tar archive whose first header is damaged", whole);
  if (const auto foreign = member_.empty() ? foreign_file(head_) : std::nullopt) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}, and no tar archive", where, foreign->what),
                foreign->way_out);
  }
  const char* words = archive_error_string(archive_.get());
  throw Error(ExitCode::bad_data,
              fmt::format("{}: {}", where, words == nullptr ? "not a tar archive" : words), whole);
}

std::optional<ArchiveMember> ArchiveReader::next() {
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(archive_.get(), &entry);
    if (status == ARCHIVE_EOF) {
      if (failure_)
        fail(name_);  // in looking for the end mark's second block, which libarchive does not insist on
      check_end();
      return std::nullopt;
    }
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      fail(member_.empty() ? name_ : fmt::format("{}: after {}", name_, member_));
    }
    ArchiveMember member{name_of(entry)};
    member_ = printable(member.name);
    if (archive_entry_filetype(entry) == AE_IFDIR) continue;
    const std::int64_t bytes = archive_entry_size(entry);
    const std::int64_t position = archive_filter_bytes(archive_.get(), 0);
    if (bytes < 0 || position < 0) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}: a size of {} bytes", name_, member_, bytes));
    }
    member_bytes_ = member.bytes = static_cast<std::uint64_t>(bytes);
    member.position = static_cast<std::uint64_t>(position);
    member.is_file = archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr &&
                     archive_entry_sparse_count(entry) == 0;
    return member;
  }
}

std::size_t ArchiveReader::read(std::span<std::byte> target) {
  const auto count = archive_read_data(archive_.get(), target.data(), target.size());
  if (count < 0) fail(fmt::format("{}: {}", name_, member_));
  return static_cast<std::size_t>(count);
}

// Grows with what is there, not with what the header claims.
std::vector<std::byte> ArchiveReader::read_all(std::uint64_t limit) {
  constexpr std::uint64_t kGrowth = std::uint64_t{1} << 20;
  if (member_bytes_ > limit) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}: more than {} bytes", name_, member_, limit));
  }
  std::vector<std::byte> all;
  for (std::size_t used = 0; used < member_bytes_;) {
    if (used == all.size()) all.resize(used + std::min(kGrowth, member_bytes_ - used));
    const std::size_t count = read(std::span(all).subspan(used));
    used += count;
    if (count == 0) throw Error(ExitCode::bad_data, fmt::format("{}: {}: it ends early", name_, member_));
  }
  return all;
}

std::vector<ArchiveMember> list_tar(const File& file, std::uint64_t begin, std::uint64_t bytes,
                                    const std::string& name) {
  FileRange range(file, begin, bytes);
  ArchiveReader reader(range, name, kHeaderPiece);
  std::vector<ArchiveMember> members;
  while (auto member = reader.next()) {
    if (member->position > bytes || (member->is_file && member->bytes > bytes - member->position)) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: ends inside {}: {} bytes from {} on, in an archive of {}", name,
                              printable(member->name), member->bytes, member->position, bytes),
                  "is the archive whole? Compare its size or checksum with the publisher's");
    }
    member->position += begin;
    members.push_back(std::move(*member));
  }
  return members;
}

}  // namespace vitrail::datasets
