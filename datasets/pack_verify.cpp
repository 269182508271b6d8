#include "datasets/pack_verify.hpp"

#include <algorithm>
#include <mutex>
#include <span>

#include <fmt/format.h>

#include "datasets/codec.hpp"
#include "datasets/crc32c.hpp"
#include "datasets/hdf5_handles.hpp"
#include "datasets/pack_index.hpp"
#include "datasets/pack_plan.hpp"
#include "datasets/pack_writer.hpp"
#include "datasets/parallel.hpp"
#include "datasets/shard_reader.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Kind = ElementType::Kind;

constexpr std::uint64_t kPiece = std::uint64_t{1} << 22;

// Runs `check` and turns Error(bad_data) into a problem of `file`.
template <class Check>
void collect(std::vector<Problem>& problems, const std::string& file, const Check& check) {
  try {
    check();
  } catch (const Error& e) {
    if (e.code() != ExitCode::bad_data) throw;
    problems.push_back({file, {}, {}, e.what()});
  }
}

// Size and hash of a whole file; false where it differs from the manifest.
bool whole(const fs::path& pack, const FileEntry& entry, std::vector<Problem>& problems) {
  std::error_code error;
  const auto bytes = fs::file_size(pack / entry.name, error);
  if (error) {
    problems.push_back({entry.name, {}, {}, error.message()});
  } else if (bytes != entry.bytes) {
    problems.push_back(
        {entry.name, {}, {}, fmt::format("{} bytes, the manifest says {}", bytes, entry.bytes)});
  } else if (const std::string hash = hash_file(pack / entry.name).hex(); hash != entry.hash) {
    problems.push_back(
        {entry.name, {}, {}, fmt::format("its hash is {}, the manifest says {}", hash, entry.hash)});
  } else {
    return true;
  }
  return false;
}

template <class T>
std::vector<T> read_all(const H5File& file, const char* name, Kind kind, std::vector<std::uint64_t> shape) {
  const ArrayInfo info = file.array(name);
  if (info.type.kind != kind || info.shape != shape) {
    throw Error(ExitCode::bad_data, fmt::format("/{}: its type or shape is not what a pack has", name));
  }
  std::vector<T> values(info.bytes() / sizeof(T));
  file.read(name, 0, shape[0], std::as_writable_bytes(std::span(values)));
  return values;
}

// A shard through the library. Only for a file whose hash is right: the library is not made for hostile
// bytes.
class ShardCheck {
 public:
  ShardCheck(const PackIndex& index, std::uint64_t shard, std::mutex& hdf5, bool decode)
      : index_(index), entry_(index.manifest().shards[shard]), shard_(shard), hdf5_(hdf5), decode_(decode) {}

  std::vector<Problem> run() {
    const std::string& name = entry_.file.name;
    std::optional<H5File> file;
    collect(problems_, name, [&] {
      const std::lock_guard lock(hdf5_);
      file.emplace(H5File::open(index_.path() / name));
      read_arrays(*file);
    });
    if (problems_.empty()) check_arrays();
    if (problems_.empty()) collect(problems_, name, [&] { check_records(*file); });
    const std::lock_guard lock(hdf5_);  // closing is a library call
    file.reset();
    return std::move(problems_);
  }

 private:
  void demand(bool holds, const std::string& what) {
    if (!holds) problems_.push_back({entry_.file.name, {}, {}, what});
  }
  void bad_record(std::uint64_t row, const std::string& what) {
    problems_.push_back({entry_.file.name, row, printable(key(row)), what});
  }
  std::string key(std::uint64_t row) const {
    const std::uint64_t length = index_.manifest().key_bytes;
    return {key_.begin() + static_cast<std::ptrdiff_t>(row * length),
            key_.begin() + static_cast<std::ptrdiff_t>((row + 1) * length)};
  }

  void read_arrays(const H5File& file) {
    const std::uint64_t images = entry_.images;
    offset_ = read_all<std::uint64_t>(file, "offset", Kind::u64, {images + 1});
    label_ = read_all<std::uint32_t>(file, "label", Kind::u32, {images});
    crc32c_ = read_all<std::uint32_t>(file, "crc32c", Kind::u32, {images});
    size_ = read_all<std::uint16_t>(file, "size", Kind::u16, {images, 2});
    key_ = read_all<char>(file, "key", Kind::text, {images});
    const ArrayInfo blob = file.array("blob"), key = file.array("key");
    demand(blob.type.kind == Kind::u8 && blob.bytes() == entry_.blob.bytes &&
               blob.address == entry_.blob.address,
           "/blob does not lie where the manifest says");
    demand(key.bytes() == entry_.key.bytes && key.address == entry_.key.address,
           "/key does not lie where the manifest says");
    demand(file.attribute("pack") == index_.manifest().id, "it belongs to another pack");
    demand(file.attribute("shard") == fmt::format("{} of {}", shard_, index_.manifest().shards.size()),
           "it is shard " + file.attribute("shard"));
  }

  void check_arrays() {
    demand(std::ranges::equal(offset_, index_.offsets(shard_)), "/offset is not what index.h5 says");
    demand(std::ranges::equal(label_, index_.labels(shard_)), "/label is not what index.h5 says");
    demand(std::ranges::equal(crc32c_, index_.crcs(shard_)), "/crc32c is not what index.h5 says");
    demand(std::ranges::is_sorted(offset_) && offset_.front() == 0 && offset_.back() == entry_.blob.bytes,
           "/offset does not cut /blob into records");
    for (std::uint64_t row = 0; row < entry_.images; ++row) {
      if (label_[row] >= index_.manifest().classes.size())
        bad_record(row, fmt::format("label {}", label_[row]));
      const std::string text = key(row);
      if (plan_key(text.substr(0, text.find('\0')), index_.manifest().shards.size()).shard != shard_) {
        bad_record(row, "its key belongs to another shard");
      }
    }
  }

  void check_records(const H5File& file) {
    Hasher hasher;
    std::vector<std::byte> piece;
    for (std::uint64_t first = 0; first < entry_.images;) {
      std::uint64_t end = first + 1;  // as many records as fit into a piece, or one
      while (end < entry_.images && offset_[end + 1] - offset_[first] <= kPiece) ++end;
      piece.resize(offset_[end] - offset_[first]);
      {
        const std::lock_guard lock(hdf5_);
        file.read("blob", offset_[first], piece.size(), piece);
      }
      hasher.update(piece);
      for (std::uint64_t row = first; row < end; ++row) {
        check_record(
            row, std::span(piece).subspan(offset_[row] - offset_[first], offset_[row + 1] - offset_[row]));
      }
      first = end;
    }
    demand(hasher.digest().hex() == entry_.blob.hash, "/blob has not the hash the manifest says");
  }

  void check_record(std::uint64_t row, std::span<const std::byte> encoded) {
    if (const std::uint32_t crc = crc32c(encoded); crc != crc32c_[row]) {
      bad_record(row, fmt::format("CRC-32C is {:08x}, should be {:08x}", crc, crc32c_[row]));
    } else if (decode_) {
      try {
        const Image image = decode_image(encoded);
        if (image.height != size_[2 * row] || image.width != size_[2 * row + 1]) {
          bad_record(row, fmt::format("{} x {} pixels, /size says {} x {}", image.width, image.height,
                                      size_[2 * row + 1], size_[2 * row]));
        }
      } catch (const Error& e) {
        bad_record(row, e.what());
      }
    }
  }

  const PackIndex& index_;
  const ShardEntry& entry_;
  const std::uint64_t shard_;
  std::mutex& hdf5_;
  const bool decode_;
  std::vector<Problem> problems_;
  std::vector<std::uint64_t> offset_;
  std::vector<std::uint32_t> label_, crc32c_;
  std::vector<std::uint16_t> size_;
  std::vector<char> key_;
};

// In a file whose hash is wrong: which records are not what the index says?
void find_damaged_records(const PackIndex& index, std::uint64_t shard, std::vector<Problem>& problems) {
  const ShardReader reader(index);
  const ShardEntry& entry = index.manifest().shards[shard];
  const std::size_t before = problems.size();
  for (std::uint64_t row = 0; row < entry.images; ++row) {
    const std::uint64_t image = index.first_image(shard) + row;
    try {
      reader.record(image);
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_data) throw;
      problems.push_back({entry.file.name, row, printable(reader.key(image)), "the record is damaged"});
    }
  }
  if (problems.size() == before) {
    problems.push_back({entry.file.name,
                        {},
                        {},
                        "every record is right: the damage is in HDF5's metadata or in the "
                        "arrays beside the records"});
  }
}

void check_index_file(const PackIndex& index, std::vector<Problem>& problems) {
  collect(problems, kIndexFile, [&] {
    const Manifest& m = index.manifest();
    const H5File file = H5File::open(index.path() / kIndexFile);
    const auto first = read_all<std::uint64_t>(file, "first", Kind::u64, {m.shards.size() + 1});
    for (std::uint64_t s = 0; s <= m.shards.size(); ++s) {
      if (first[s] != index.first_image(s)) {
        throw Error(ExitCode::bad_data, fmt::format("/first[{}] does not fit the manifest", s));
      }
    }
    const auto lies_there = [&](const char* name, const ArrayEntry& entry) {
      const ArrayInfo info = file.array(name);
      if (info.address != entry.address || info.bytes() != entry.bytes) {
        throw Error(ExitCode::bad_data, fmt::format("/{} does not lie where the manifest says", name));
      }
    };
    lies_there("offset", m.index.offset);
    lies_there("label", m.index.label);
    lies_there("crc32c", m.index.crc32c);
  });
}

}  // namespace

std::string Problem::text() const {
  if (!record) return fmt::format("{}: {}", file, message);
  return fmt::format("{}: record {} ({}): {}", file, *record, key, message);
}

VerifyReport verify_pack(const fs::path& pack, const VerifyOptions& options) {
  VerifyReport report;
  std::optional<Manifest> m;
  collect(report.problems, kManifestFile, [&] { m = read_manifest(pack); });
  if (!m) return report;
  report.images = m->images;
  report.shards = m->shards.size();
  report.bytes = m->index.file.bytes + m->quarantine.bytes;
  for (const ShardEntry& shard : m->shards) report.bytes += shard.file.bytes;

  whole(pack, m->quarantine, report.problems);
  std::optional<PackIndex> index;
  if (whole(pack, m->index.file, report.problems)) {
    collect(report.problems, kIndexFile, [&] { index.emplace(pack); });
    if (index) check_index_file(*index, report.problems);
  }
  Progress progress("verify", "images", m->images, options.progress);
  std::mutex hdf5;
  std::vector<std::vector<Problem>> problems(m->shards.size());
  parallel_for(m->shards.size(), options.threads, [&](std::size_t s) {
    const ShardEntry& entry = m->shards[s];
    const bool good = whole(pack, entry.file, problems[s]);
    if (index && good) {
      problems[s] = ShardCheck(*index, s, hdf5, options.decode).run();
    } else if (index && fs::exists(pack / entry.file.name) &&
               fs::file_size(pack / entry.file.name) == entry.file.bytes) {
      find_damaged_records(*index, s, problems[s]);
    }
    progress.add(entry.images, entry.file.bytes);
  });
  for (auto& found : problems) std::ranges::move(found, std::back_inserter(report.problems));
  return report;
}

}  // namespace vitrail::datasets
