// Index and shard of a pack as training opens them. The input: 12 numbers of the manifest, then the bytes of
// index and shard; hashes are made to fit, so that nothing but the readers' own checks stands in the way.
#include <cstring>
#include <filesystem>

#include "datasets/codec/codec.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "datasets/pack_dataset.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/fuzz_folder.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Input = std::span<const std::byte>;

constexpr std::size_t kNumbers = 12;

ArrayEntry array(Input file, std::uint64_t address, std::uint64_t bytes) {
  const bool inside = address <= file.size() && bytes <= file.size() - address;
  return {address, bytes, hash_bytes(inside ? file.subspan(address, bytes) : Input()).hex()};
}

Manifest manifest_of(std::span<const std::uint16_t> n, Input index, Input shard) {
  Manifest m;
  m.id = hash_text("fuzz").hex();
  m.split = "train";
  m.source = "folder:fuzz";
  m.images = n[0];
  m.source_images = n[0];
  m.key_bytes = n[1];
  m.classes.resize(1 + n[2] % 8, {"class", ""});
  m.index = {{kIndexFile, index.size(), hash_bytes(index).hex()},
             array(index, n[3], (m.images + 1) * 8),
             array(index, n[4], m.images * 4),
             array(index, n[5], m.images * 4)};
  m.shards.push_back({{shard_name(0, 1), shard.size(), hash_bytes(shard).hex()},
                      n[0],
                      array(shard, n[6], n[7]),
                      array(shard, n[8], m.images * m.key_bytes)});
  m.quarantine = {kQuarantineFile, 0, hash_text("").hex()};
  return m;
}

void read_everything(const fs::path& pack) {
  const PackIndex index(pack);
  index.check_shards();
  index.fingerprint();
  const ShardReader reader(index);
  for (std::uint64_t image = 0; image < index.manifest().images; ++image) {
    tests::expect_no_other_error([&] { index.label(image); });
    tests::expect_no_other_error([&] { reader.record(image); });
    tests::expect_no_other_error([&] { reader.describe(image); });
  }
}

}  // namespace
}  // namespace vitrail::datasets

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail::datasets;
  std::uint16_t numbers[kNumbers];
  if (size < sizeof numbers) return 0;
  std::memcpy(numbers, data, sizeof numbers);
  const auto rest = std::as_bytes(std::span(data, size)).subspan(sizeof numbers);
  const std::size_t cut = rest.empty() ? 0 : numbers[9] % (rest.size() + 1);
  const Input index = rest.first(cut), shard = rest.subspan(cut);
  const vitrail::tests::FuzzFolder pack;
  pack.put(kIndexFile, index);
  pack.put(shard_name(0, 1), shard);
  pack.put(kManifestFile, to_text(manifest_of(numbers, index, shard)));
  pack.put(kQuarantineFile, Input());
  vitrail::tests::expect_no_other_error([&] { read_everything(pack.path()); });
  return 0;
}
