#include "datasets/pack/pack_verify.hpp"

#include <algorithm>
#include <mutex>
#include <span>

#include <fmt/format.h>

#include "datasets/codec/codec.hpp"
#include "datasets/pack/crc32c.hpp"
#include "datasets/pack/hdf5_handles.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/pack_plan.hpp"
#include "datasets/pack/pack_writer.hpp"
#include "datasets/pack/parallel.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Element = ElementType::Kind;

constexpr std::uint64_t kReadAtOnce = std::uint64_t{1} << 22;

// Runs `check` and turns Error(bad_data) into a problem of `file`, which the problem names once.
template <class Check>
void collect(std::vector<Problem>& problems, const fs::path& pack, const std::string& file,
             const Check& check) {
  try {
    check();
  } catch (const Error& e) {
    if (e.code() != ExitCode::bad_data) throw;
    std::string message = e.what();
    for (const fs::path& named : {pack / file, pack}) {
      if (message.starts_with(named.string() + ": ")) message.erase(0, named.string().size() + 2);
    }
    problems.push_back({file, {}, {}, message});
  }
}

bool size_fits(const fs::path& pack, const FileEntry& entry, std::vector<Problem>& problems) {
  std::error_code error;
  const auto bytes = fs::file_size(pack / entry.name, error);
  if (error) {
    problems.push_back({entry.name, {}, {}, error.message()});
  } else if (bytes != entry.bytes) {
    problems.push_back(
        {entry.name, {}, {}, fmt::format("{} bytes, the manifest says {}", bytes, entry.bytes)});
  } else {
    return true;
  }
  return false;
}

// Size and hash of a whole file; false where it differs from the manifest.
bool whole(const fs::path& pack, const FileEntry& entry, std::vector<Problem>& problems) {
  if (!size_fits(pack, entry, problems)) return false;
  const std::string hash = hash_file(pack / entry.name).hex();
  if (hash == entry.hash) return true;
  problems.push_back(
      {entry.name, {}, {}, fmt::format("its hash is {}, the manifest says {}", hash, entry.hash)});
  return false;
}

template <class T>
std::vector<T> read_all(const H5File& file, const char* name, Element kind,
                        std::vector<std::uint64_t> shape) {
  const ArrayInfo info = file.array(name);
  if (info.type.kind != kind || info.shape != shape) {
    throw Error(ExitCode::bad_data, fmt::format("/{}: its type or shape is not what a pack has", name));
  }
  std::vector<T> values(info.bytes() / sizeof(T));
  file.read(name, 0, shape[0], std::as_writable_bytes(std::span(values)));
  return values;
}

// One shard. Its bytes are read once, by this thread alone: hashes, CRCs and decoding follow the reading, so
// that shards are checked in parallel as fast as the disk or the decoder allows. Through the library go only
// the small arrays, and only of a file whose hash is right: the library is not made for hostile bytes.
class ShardCheck {
 public:
  ShardCheck(const PackIndex& index, std::uint64_t shard, std::mutex& hdf5, bool decode)
      : index_(index),
        entry_(index.manifest().shards[shard]),
        offset_(index.offsets(shard)),
        shard_(shard),
        hdf5_(hdf5),
        decode_(decode) {}

  std::vector<Problem> run() {
    if (!offsets_cut_the_blob()) {
      whole(index_.path(), entry_.file, problems_);
      demand(false, "the offsets in index.h5 do not cut /blob into records");
      return std::move(problems_);
    }
    if (!size_fits(index_.path(), entry_.file, problems_)) return std::move(problems_);
    read_file();
    if (file_hash_ != entry_.file.hash) {
      report_damage();
      return std::move(problems_);
    }
    demand(blob_hash_ == entry_.blob.hash, "/blob has not the hash the manifest says");
    const std::lock_guard lock(hdf5_);
    collect(problems_, index_.path(), entry_.file.name,
            [&] { check_arrays(H5File::open(index_.path() / entry_.file.name)); });
    std::ranges::move(bad_records_, std::back_inserter(problems_));
    return std::move(problems_);
  }

 private:
  void demand(bool holds, const std::string& what) {
    if (!holds) problems_.push_back({entry_.file.name, {}, {}, what});
  }
  Problem bad_record(std::uint64_t row, const std::string& what) const {
    const ShardReader reader(index_);
    return {entry_.file.name, row, printable(reader.key(index_.first_image(shard_) + row)), what};
  }
  bool offsets_cut_the_blob() const {
    return std::ranges::is_sorted(offset_) && offset_.front() == 0 && offset_.back() == entry_.blob.bytes;
  }

  void read_file() {
    const File file(index_.path() / entry_.file.name, File::Mode::read);
    Hasher whole_file, blob;
    std::vector<std::byte> piece;
    const auto read = [&](std::uint64_t begin, std::uint64_t end) {
      piece.resize(end - begin);
      file.read_at(begin, piece);
      whole_file.update(piece);
    };
    const auto pass_over = [&](std::uint64_t begin, std::uint64_t end) {
      for (; begin < end; begin += std::min(kReadAtOnce, end - begin))
        read(begin, std::min(end, begin + kReadAtOnce));
    };
    const std::uint64_t address = entry_.blob.bytes == 0 ? 0 : entry_.blob.address;
    pass_over(0, address);
    for (std::uint64_t first = 0; first < entry_.images;) {
      std::uint64_t end = first + 1;  // as many records as fit into a piece, or one
      while (end < entry_.images && offset_[end + 1] - offset_[first] <= kReadAtOnce) ++end;
      read(address + offset_[first], address + offset_[end]);
      blob.update(piece);
      for (std::uint64_t row = first; row < end; ++row) {
        check_record(
            row, std::span(piece).subspan(offset_[row] - offset_[first], offset_[row + 1] - offset_[row]));
      }
      first = end;
    }
    pass_over(address + entry_.blob.bytes, entry_.file.bytes);
    file_hash_ = whole_file.digest().hex();
    blob_hash_ = blob.digest().hex();
  }

  void check_record(std::uint64_t row, std::span<const std::byte> encoded) {
    const std::uint32_t crc = crc32c(encoded), should_be = index_.crcs(shard_)[row];
    if (crc != should_be) {
      bad_records_.push_back(bad_record(
          row, fmt::format("the record is damaged: CRC-32C is {:08x}, should be {:08x}", crc, should_be)));
    } else if (decode_) {
      try {
        const Image image = decode_image(encoded);
        decoded_.push_back({row, image.height, image.width});
      } catch (const Error& e) {
        bad_records_.push_back(bad_record(row, e.what()));
      }
    }
  }

  void report_damage() {
    demand(false, fmt::format("its hash is {}, the manifest says {}", file_hash_, entry_.file.hash));
    if (bad_records_.empty()) {
      demand(false,
             "every record is right: the damage is in HDF5's metadata or in the arrays beside the records");
    }
    std::ranges::move(bad_records_, std::back_inserter(problems_));
  }

  void check_arrays(const H5File& file) {
    const std::uint64_t images = entry_.images;
    const auto offset = read_all<std::uint64_t>(file, "offset", Element::u64, {images + 1});
    const auto label = read_all<std::uint32_t>(file, "label", Element::u32, {images});
    const auto crc = read_all<std::uint32_t>(file, "crc32c", Element::u32, {images});
    const auto size = read_all<std::uint16_t>(file, "size", Element::u16, {images, 2});
    const auto keys = read_all<char>(file, "key", Element::text, {images});
    const ArrayInfo blob = file.array("blob"), key = file.array("key");
    demand(blob.type.kind == Element::u8 && blob.bytes() == entry_.blob.bytes &&
               blob.address == entry_.blob.address,
           "/blob does not lie where the manifest says");
    demand(key.bytes() == entry_.key.bytes && key.address == entry_.key.address,
           "/key does not lie where the manifest says");
    demand(file.attribute("pack") == index_.manifest().id, "it belongs to another pack");
    demand(file.attribute("shard") == fmt::format("{} of {}", shard_, index_.manifest().shards.size()),
           "it is shard " + file.attribute("shard"));
    demand(std::ranges::equal(offset, offset_), "/offset is not what index.h5 says");
    demand(std::ranges::equal(label, index_.labels(shard_)), "/label is not what index.h5 says");
    demand(std::ranges::equal(crc, index_.crcs(shard_)), "/crc32c is not what index.h5 says");
    if (problems_.empty()) check_rows(label, size, keys);
  }

  void check_rows(const std::vector<std::uint32_t>& label, const std::vector<std::uint16_t>& size,
                  const std::vector<char>& keys) {
    const std::uint64_t length = index_.manifest().key_bytes, shards = index_.manifest().shards.size();
    for (std::uint64_t row = 0; row < entry_.images; ++row) {
      if (label[row] >= index_.manifest().labels())
        problems_.push_back(bad_record(row, fmt::format("label {}", label[row])));
      const std::string_view key(&keys[row * length], length);
      if (plan_key(key.substr(0, key.find('\0')), shards).shard != shard_) {
        problems_.push_back(bad_record(row, "its key belongs to another shard"));
      }
    }
    for (const auto& [row, height, width] : decoded_) {
      if (height != size[2 * row] || width != size[2 * row + 1]) {
        problems_.push_back(bad_record(row, fmt::format("{} x {} pixels, /size says {} x {}", width, height,
                                                        size[2 * row + 1], size[2 * row])));
      }
    }
  }

  struct Decoded {
    std::uint64_t row;
    int height, width;
  };

  const PackIndex& index_;
  const ShardEntry& entry_;
  const std::vector<std::uint64_t> offset_;
  const std::uint64_t shard_;
  std::mutex& hdf5_;
  const bool decode_;
  std::string file_hash_, blob_hash_;
  std::vector<Decoded> decoded_;
  std::vector<Problem> problems_, bad_records_;
};

void check_index_file(const PackIndex& index, std::vector<Problem>& problems) {
  collect(problems, index.path(), kIndexFile, [&] {
    const Manifest& m = index.manifest();
    const H5File file = H5File::open(index.path() / kIndexFile);
    const auto first = read_all<std::uint64_t>(file, "first", Element::u64, {m.shards.size() + 1});
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
  collect(report.problems, pack, kManifestFile, [&] { m = read_manifest(pack); });
  if (!m) return report;
  report.images = m->images;
  report.shards = m->shards.size();
  report.bytes = m->index.file.bytes + m->quarantine.bytes;
  for (const ShardEntry& shard : m->shards) report.bytes += shard.file.bytes;

  whole(pack, m->quarantine, report.problems);
  std::optional<PackIndex> index;
  if (whole(pack, m->index.file, report.problems)) {
    collect(report.problems, pack, kIndexFile, [&] { index.emplace(pack); });
    if (index) check_index_file(*index, report.problems);
  }
  Progress progress("verify", "images", m->images, options.progress);
  std::mutex hdf5;
  std::vector<std::vector<Problem>> problems(m->shards.size());
  parallel_for(m->shards.size(), options.threads, [&](std::size_t s) {
    const ShardEntry& entry = m->shards[s];
    if (index) {
      problems[s] = ShardCheck(*index, s, hdf5, options.decode).run();
    } else {
      whole(pack, entry.file, problems[s]);
    }
    progress.add(entry.images, entry.file.bytes);
  });
  for (auto& found : problems) std::ranges::move(found, std::back_inserter(report.problems));
  return report;
}

}  // namespace vitrail::datasets
