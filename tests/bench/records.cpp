// One side of the comparison in records.py: makes a pack of random bytes, or reads its records in random
// order and prints seconds a record as JSON.
//
//   bench_records make DIR RECORDS BYTES
//   bench_records ours|pread DIR THREADS SECONDS
//   bench_records turns DIR 1 SECONDS           both in turns in one process, CPU time
//   bench_records tars DIR 1 SECONDS            likewise, of the records in WebDataset tars and in the pack
//   bench_records index DIR IMAGES SHARDS       what opening a large pack costs; shards are holes

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "datasets/loader/permutation.hpp"
#include "datasets/pack/crc32c.hpp"
#include "datasets/pack/hdf5_handles.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/pack_writer.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "datasets/pack_dataset.hpp"
#include "datasets/unpacking/unpack.hpp"
#include "trainer/base/seconds_since.hpp"

namespace {

using namespace vitrail;
using namespace vitrail::datasets;
using Clock = std::chrono::steady_clock;

std::uint64_t number(const char* text) { return std::strtoull(text, nullptr, 10); }

// Sizes around `bytes`, as JPEG files have them.
void make(const std::string& dir, std::uint64_t records, std::uint64_t bytes) {
  constexpr std::uint64_t kShards = 4;
  std::filesystem::create_directories(dir);
  std::mutex hdf5;
  Manifest manifest;
  manifest.id = std::string(32, '0');
  manifest.split = "bench";
  manifest.source = "random bytes";
  manifest.source_images = manifest.images = records;
  manifest.key_bytes = 8;
  manifest.classes = {{"any", ""}};
  for (std::uint64_t shard = 0; shard < kShards; ++shard) {
    ShardWriter writer(dir, shard, kShards, manifest.id, manifest.key_bytes, hdf5);
    for (std::uint64_t i = shard * records / kShards; i < (shard + 1) * records / kShards; ++i) {
      Philox noise(1, Purpose::test, 0, i);
      std::vector<std::uint64_t> record((bytes / 2 + noise.below(bytes)) / 8);
      for (auto& word : record) word = noise.next_u64();
      writer.add({fmt::format("{:08}", i), 0, 1, 1, std::as_bytes(std::span(record))});
    }
    manifest.shards.push_back(writer.finish());
  }
  manifest.index = write_index(dir, manifest.shards);
  write_text_atomically(std::filesystem::path(dir) / kQuarantineFile, "");
  manifest.quarantine = {kQuarantineFile, 0, hash_text("").hex()};
  write_text_atomically(std::filesystem::path(dir) / kManifestFile, to_text(manifest));
}

// Calls read(thread, record) on each thread, for records in random order, until the time is over.
template <class Read>
void measure(std::uint64_t records, int threads, double seconds, const Read& read) {
  std::atomic<std::uint64_t> done = 0;
  const Clock::time_point begin = Clock::now();
  {
    std::vector<std::jthread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        const Permutation order({.seed = static_cast<std::uint64_t>(t)}, records);
        std::vector<std::uint64_t> next(records);
        for (std::uint64_t i = 0; i < records; ++i) next[i] = order.at(i);
        std::uint64_t own = 0;
        while (seconds_since(begin) < seconds) {
          for (int i = 0; i < 50; ++i) read(t, next[own++ % records]);
        }
        done += own;
      });
    }
  }
  fmt::print("{{\"seconds\": {}}}\n", seconds_since(begin) / static_cast<double>(done));
}

void read_ours(const std::string& dir, int threads, double seconds) {
  const PackIndex index(dir);
  const ShardReader reader(index);
  measure(index.manifest().images, threads, seconds,
          [&](int, std::uint64_t record) { (void)reader.record(record); });
}

// What is left when the offsets are known: the system call, into the same memory again and again.
class PlainReader {
 public:
  explicit PlainReader(const std::string& dir) {
    const PackIndex index(dir);
    for (const ShardEntry& shard : index.manifest().shards) {
      files_.emplace_back(std::filesystem::path(dir) / shard.file.name, File::Mode::read);
    }
    for (std::uint64_t i = 0; i < index.manifest().images; ++i) {
      const RecordPlace place = index.place(i);
      ranges_.push_back({files_[place.shard].descriptor(),
                         static_cast<off_t>(index.manifest().shards[place.shard].blob.address + place.begin),
                         place.end - place.begin});
      most_ = std::max(most_, ranges_.back().bytes);
    }
  }

  std::uint64_t records() const { return ranges_.size(); }
  std::size_t most() const { return most_; }
  void read(std::uint64_t record, std::vector<std::byte>& into) const {
    const Range& range = ranges_[record];
    if (::pread(range.file, into.data(), range.bytes, range.offset) < 0) std::abort();
  }

 private:
  struct Range {
    int file;
    off_t offset;
    std::size_t bytes;
  };
  std::vector<File> files_;
  std::vector<Range> ranges_;
  std::size_t most_ = 0;
};

void read_plainly(const std::string& dir, int threads, double seconds) {
  const PlainReader plain(dir);
  std::vector<std::vector<std::byte>> buffers(static_cast<std::size_t>(threads),
                                              std::vector<std::byte>(plain.most()));
  measure(plain.records(), threads, seconds, [&](int thread, std::uint64_t record) {
    plain.read(record, buffers[static_cast<std::size_t>(thread)]);
  });
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// CPU time of both sides for the same records, 100 of the one, then 100 of the other, on one thread: what
// else the machine does slows both.
template <class One, class Other>
void read_in_turns(std::uint64_t records, double seconds, const One& one, const Other& other) {
  constexpr std::uint64_t kTurn = 100;
  std::vector<double> first, second, ratio;
  const auto spend = [&](const auto& read, std::uint64_t from) {
    const auto start = std::clock();
    for (std::uint64_t i = from; i < from + kTurn; ++i) read(i % records);
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / kTurn;
  };
  const Clock::time_point begin = Clock::now();
  for (std::uint64_t from = 0; seconds_since(begin) < seconds; from += kTurn) {
    first.push_back(spend(one, from));
    second.push_back(spend(other, from + kTurn));
    ratio.push_back(first.back() / second.back());
  }
  fmt::print("{{\"one\": {}, \"other\": {}, \"ratio\": {}}}\n", median(first), median(second), median(ratio));
}

// As reading has them, not as they were written a moment ago: pages come into the cache in larger pieces
// then, and are copied faster.
void read_into_cache(const std::string& dir) {
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    File file(entry.path(), File::Mode::read);
    file.sync();
    ::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
    Bytes piece(std::min<std::uint64_t>(file.size(), 1 << 20));
    for (std::uint64_t at = 0; at + piece.size() <= file.size() && !piece.empty(); at += piece.size()) {
      file.read_at(at, piece);
    }
  }
}

void compare_with_pread(const std::string& dir, double seconds) {
  read_into_cache(dir);
  const PlainReader plain(dir);
  const PackIndex index(dir);
  const ShardReader reader(index);
  std::vector<std::byte> buffer(plain.most());
  const Permutation order({.seed = 0}, plain.records());
  read_in_turns(
      plain.records(), seconds, [&](std::uint64_t i) { (void)reader.record(order.at(i)); },
      [&](std::uint64_t i) { plain.read(order.at(i), buffer); });
}

// WebDataset tars as they lie against the pack of the same records, from first to last: the tars once in the
// order in which they hold them, and once in that of a data set, which is a pack's.
void compare_with_tars(const std::string& dir, double seconds) {
  const std::string tars = dir + "-tars";
  if (!std::filesystem::exists(tars)) {
    unpack({.pack = dir, .output = tars, .format = UnpackFormat::wds, .threads = 1, .progress = false});
  }
  read_into_cache(dir);
  read_into_cache(tars);
  const auto direct = open_dataset("wds:" + tars), pack = open_dataset(dir);
  if (direct->size() != pack->size()) std::abort();
  std::vector<std::pair<std::string, std::int64_t>> order;
  for (std::int64_t i = 0; i < direct->size(); ++i) order.emplace_back(direct->name(i), i);
  for (const bool sequential : {true, false}) {
    if (sequential) std::ranges::sort(order);
    if (!sequential) std::ranges::sort(order, {}, [](const auto& sample) { return sample.second; });
    read_in_turns(
        order.size(), seconds, [&](std::uint64_t i) { (void)direct->read(order[i].second); },
        [&](std::uint64_t i) { (void)pack->read(static_cast<std::int64_t>(i)); });
  }
}

// kB in a line of /proc/self/smaps_rollup.
std::uint64_t memory(const char* key) {
  FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  if (file == nullptr) return 0;
  std::uint64_t kb = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, key, std::strlen(key)) == 0) kb += number(line + std::strlen(key));
  }
  std::fclose(file);
  return kb;
}

ArrayEntry fill(H5File& file, const std::string& name, ElementType type, std::span<const std::byte> bytes) {
  const std::uint64_t count = bytes.size() / type.bytes();
  const ArrayInfo info = file.create_array(name, type, {count});
  file.write(name, 0, count, bytes);
  return {info.address, bytes.size(), hash_bytes(bytes).hex()};
}

Manifest make_large(const std::filesystem::path& dir, std::uint64_t images, std::uint64_t shards) {
  constexpr std::uint64_t kRecord = 92'000;
  std::filesystem::create_directories(dir);
  Manifest manifest;
  manifest.id = std::string(32, '0');
  manifest.split = "bench";
  manifest.source = "holes";
  manifest.source_images = manifest.images = images;
  for (int c = 0; c < 21841; ++c)
    manifest.classes.push_back({fmt::format("n{:08}", c), fmt::format("n{:08}", c)});
  std::vector<std::uint32_t> offset;
  for (std::uint64_t s = 0; s < shards; ++s) {
    ShardEntry shard;
    shard.images = (s + 1) * images / shards - s * images / shards;
    shard.blob = {1 << 20, shard.images * kRecord, std::string(32, '0')};
    shard.key = {2048, shard.images, std::string(32, '0')};
    shard.file = {shard_name(s, shards), (1 << 20) + shard.blob.bytes, std::string(32, '0')};
    File(dir / shard.file.name, File::Mode::create).truncate(shard.file.bytes);
    for (std::uint64_t i = 0; i <= shard.images; ++i)
      offset.push_back(static_cast<std::uint32_t>(i * kRecord));
    manifest.shards.push_back(shard);
  }
  std::vector<std::uint32_t> label(images), crc(images);
  for (std::uint64_t i = 0; i < images; ++i) label[i] = static_cast<std::uint32_t>(i % 21841);
  H5File file = H5File::create(dir / kIndexFile, 1 << 20, 1 << 20);
  manifest.index.offset = fill(file, "offset", {ElementType::Kind::u32}, std::as_bytes(std::span(offset)));
  manifest.index.label = fill(file, "label", {ElementType::Kind::u32}, std::as_bytes(std::span(label)));
  manifest.index.crc32c = fill(file, "crc32c", {ElementType::Kind::u32}, std::as_bytes(std::span(crc)));
  file.close();
  manifest.index.file = {kIndexFile, std::filesystem::file_size(dir / kIndexFile),
                         hash_file(dir / kIndexFile).hex()};
  manifest.quarantine = {kQuarantineFile, 0, hash_text("").hex()};
  write_text_atomically(dir / kQuarantineFile, "");
  write_text_atomically(dir / kManifestFile, to_text(manifest));
  return manifest;
}

void open_large(const std::filesystem::path& dir, std::uint64_t images, std::uint64_t shards) {
  const Manifest manifest = make_large(dir, images, shards);
  for (const bool first : {true, false}) {
    const std::uint64_t before = memory("Anonymous:");
    const Clock::time_point begin = Clock::now();
    const auto dataset = open_pack_dataset(dir, {.check_index = first, .check_shards = first});
    const double seconds = seconds_since(begin);
    for (std::uint64_t i = 0; i < images; i += 97) (void)dataset->label(static_cast<std::int64_t>(i));
    fmt::print(
        "{} images, {} shards, {}: opened in {:.3f} s, own memory {:.1f} MB, index of {:.1f} MB mapped\n",
        images, shards, first ? "first rank (looks at everything)" : "every other rank", seconds,
        static_cast<double>(memory("Anonymous:") - before) * 1024 / 1e6,
        static_cast<double>(manifest.index.file.bytes) / 1e6);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  const std::string what = words[1], dir = words[2];
  const std::uint64_t a = number(words[3]);
  if (what == "make") make(dir, a, number(words[4]));
  if (what == "index") open_large(dir, a, number(words[4]));
  if (what == "ours") read_ours(dir, static_cast<int>(a), std::strtod(words[4], nullptr));
  if (what == "turns") compare_with_pread(dir, std::strtod(words[4], nullptr));
  if (what == "tars") compare_with_tars(dir, std::strtod(words[4], nullptr));
  if (what == "pread") read_plainly(dir, static_cast<int>(a), std::strtod(words[4], nullptr));
  return 0;
}
