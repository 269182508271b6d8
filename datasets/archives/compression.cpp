#include "datasets/archives/compression.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "datasets/archives/inflating_streams.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

struct KnownForm {
  Compression compression;
  const char* name;
  std::string_view magic;
  std::array<const char*, 4> endings;
  const char* program;
};

constexpr std::array kForms = {
    KnownForm{Compression::gzip, "gzip", "\x1f\x8b", {".gz", ".tgz", "", ""}, "gunzip"},
    KnownForm{Compression::bzip2, "bzip2", "BZh", {".bz2", ".tbz2", ".tbz", ""}, "bunzip2"},
    KnownForm{Compression::xz, "xz", "\xfd\x37zXZ", {".xz", ".txz", "", ""}, "unxz"},
    KnownForm{Compression::zstd, "Zstandard", "\x28\xb5\x2f\xfd", {".zst", ".tzst", "", ""}, "unzstd"},
    KnownForm{Compression::lz4, "LZ4", "\x04\x22\x4d\x18", {".lz4", "", "", ""}, "unlz4"},
    KnownForm{Compression::compress, "compress", "\x1f\x9d", {".Z", ".taz", "", ""}, "uncompress"},
    KnownForm{Compression::zip, "ZIP", "PK\x03\x04", {".zip", "", "", ""}, "unzip"},
    KnownForm{Compression::seven_zip, "7-Zip", "7z\xbc\xaf\x27\x1c", {".7z", "", "", ""}, "7z x"},
    KnownForm{Compression::rar, "RAR", "Rar!", {".rar", "", "", ""}, "unrar x"},
};

const KnownForm* form_of(Compression compression) {
  const auto* const found = std::ranges::find(kForms, compression, &KnownForm::compression);
  return found == kForms.end() ? nullptr : found;
}

}  // namespace

Compression compression_of(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const KnownForm& form : kForms) {
    if (text.starts_with(form.magic)) return form.compression;
  }
  return Compression::none;
}

Compression compression_of(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return Compression::none;
  const File file(path, File::Mode::read);
  std::array<std::byte, 8> head{};
  FileRange range(file, 0, std::min<std::uint64_t>(file.size(), head.size()));
  return compression_of(std::span(head).first(range.read(head)));
}

Compression compression_by_name(const std::string& name) {
  for (const KnownForm& form : kForms) {
    for (const std::string_view ending : form.endings) {
      if (!ending.empty() && name.size() > ending.size() && name.ends_with(ending)) return form.compression;
    }
  }
  return Compression::none;
}

const char* name_of(Compression compression) {
  const KnownForm* form = form_of(compression);
  return form == nullptr ? "not compressed" : form->name;
}

const char* program_of(Compression compression) {
  const KnownForm* form = form_of(compression);
  return form == nullptr ? "" : form->program;
}

std::string way_out_of(Compression compression) {
  const KnownForm* form = form_of(compression);
  if (form == nullptr) return "";
  return is_stream(compression) ? fmt::format("decompress it first: {}", form->program)
                                : fmt::format("unpack it first ({}) and give the folder", form->program);
}

bool is_stream(Compression compression) {
  return compression != Compression::none && compression != Compression::zip &&
         compression != Compression::seven_zip && compression != Compression::rar;
}

std::unique_ptr<ByteStream> decompress(ByteStream& compressed, Compression compression,
                                       const std::string& name) {
  if (compression == Compression::gzip) return open_gzip(compressed, name);
  if (is_stream(compression)) return open_filtered(compressed, name_of(compression), name);
  throw Error(ExitCode::bad_data, fmt::format("{}: a {} archive, not a tar", name, name_of(compression)),
              way_out_of(compression));
}

}  // namespace vitrail::datasets
