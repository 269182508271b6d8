#include "datasets/unpacking/tar_writer.hpp"

#include <new>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kRecord = 10240;  // what tar fills up with zeros

}  // namespace

TarWriter::TarWriter(const std::filesystem::path& path)
    : path_(path),
      unfinished_(path.string() + ".tmp"),
      file_(unfinished_, File::Mode::create),
      archive_(archive_write_new(), archive_write_free) {
  if (!archive_) throw std::bad_alloc();
  archive_write_set_format_gnutar(archive_.get());  // names are bytes: no locale has a say
  archive_write_set_bytes_per_block(archive_.get(), kRecord);
  archive_write_set_bytes_in_last_block(archive_.get(), kRecord);
  if (archive_write_open_fd(archive_.get(), file_.descriptor()) != ARCHIVE_OK) fail();
}

TarWriter::~TarWriter() {
  std::error_code ignored;
  if (!is_finished_) std::filesystem::remove(unfinished_, ignored);
}

void TarWriter::fail() { throw io_error("cannot write", unfinished_, archive_errno(archive_.get())); }

void TarWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  if (!entry) throw std::bad_alloc();
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<std::int64_t>(bytes.size()));
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) fail();
  if (archive_write_data(archive_.get(), bytes.data(), bytes.size()) !=
      static_cast<la_ssize_t>(bytes.size())) {
    fail();
  }
}

void TarWriter::finish() {
  if (archive_write_close(archive_.get()) != ARCHIVE_OK) fail();
  file_.sync();
  file_.close();
  rename_durably(unfinished_, path_);
  is_finished_ = true;
}

}  // namespace vitrail::datasets
