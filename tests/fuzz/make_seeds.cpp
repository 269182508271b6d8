// The files that fuzzing begins with: make_seeds FOLDER writes FOLDER/TARGET/NAME. What fuzzing added to
// corpus/ since is kept beside them.
#include <exception>
#include <filesystem>
#include <fstream>

#include "datasets/pack/pack_format.hpp"
#include "datasets/packing/pack.hpp"
#include "datasets/packing/spool.hpp"
#include "tests/archives/archives.hpp"
#include "tests/archives/images.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::tests {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string text_of(const fs::path& path) { return read_text(path); }

// A pack in the form fuzz_pack.cpp takes: the manifest's numbers, index, shard.
std::string pack_seed(const fs::path& pack) {
  const datasets::Manifest m = datasets::read_manifest(pack);
  const std::string index = text_of(pack / datasets::kIndexFile);
  const auto& shard = m.shards.at(0);
  std::string seed;
  for (const std::uint64_t number :
       {m.images, m.key_bytes, std::uint64_t{m.classes.size() - 1}, m.index.offset.address,
        m.index.label.address, m.index.crc32c.address, shard.blob.address, shard.blob.bytes,
        shard.key.address, std::uint64_t{index.size()}, std::uint64_t{0}, std::uint64_t{0}}) {
    seed += static_cast<char>(number & 0xff);
    seed += static_cast<char>(number >> 8 & 0xff);
  }
  return seed + index + text_of(pack / shard.file.name);
}

// A spool of one shard in the form fuzz_spool.cpp takes: the length of the text, the text without its hash,
// heap.
std::string spool_seed(const fs::path& folder) {
  datasets::SpoolWriter writer(folder, 1);
  const std::string bytes = "bytes of an image";
  writer.add({"n01440764/a.JPEG", 0, bytes.size(), 0, datasets::Flaw::none}, std::as_bytes(std::span(bytes)));
  writer.add({"notes.txt", 0, 7, 0, datasets::Flaw::not_class_archive}, {});
  writer.finish({.identity = "a stream",
                 .selection = "",
                 .classes = {{"tench", "n01440764"}},
                 .labels = {0},
                 .heap_images = {},
                 .heap_bytes = {}});
  const std::string text = text_of(folder / "spool.json").substr(33);
  return std::string{static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)} + text +
         text_of(folder / "heap-00000");
}

// A checkpoint of two parameters from two ranks in the form fuzz_checkpoint.cpp takes.
std::string checkpoint_seed() {
  trainer::CheckpointManifest m;
  m.state.step = 4;
  m.state.metrics_bytes = 1234;
  m.state.loss_scale = {.scale = 512, .good_steps = 4, .skipped = 1};
  m.state.damaged = {{7, "shard 1: record 2"}};
  m.state.skipped_batches = {{2, 5}};
  m.lanes = 2;
  m.world = 2;
  m.data_fingerprint = hash_text("data").hex();
  m.classes = {"tench"};
  m.machine = "AVX2";
  m.writer = "job7-0";
  m.settings = {{"run.lanes", "2"}};
  m.parameters = {{"head.weight", {2, 4}}, {"head.bias", {2}}};
  const std::map<std::string, std::uint64_t> address = {{"weight", 0}, {"exp_avg", 20}, {"exp_avg_sq", 40}};
  m.files = {{"rank-0.h5", 60, "", {{0, {{0, 0, 5}}, address}}},
             {"rank-1.h5", 60, "", {{1, {{0, 5, 3}, {1, 0, 2}}, address}}}};
  const std::string text = to_json(m);
  std::string bytes;
  for (char byte = 0; byte < 60; ++byte) bytes += byte;
  return std::string{static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)} + text +
         bytes;
}

constexpr const char* kConfig =
    "# a run\n[run]\nname = a\nsteps = 20\nlanes = 4\n[data]\ntrain = synthetic:64,10,28\n"
    "global_batch_size = 32\n[model]\nname = vit_xxs4\n[schedule]\nwarmup = 5ep\n[checkpoint]\nevery = "
    "10min\n";

void write_seeds(const fs::path& folder) {
  const auto tree = make_tree({.classes = 2, .each = 2, .width = 16, .height = 9, .awkward = false});
  const fs::path scratch = folder / "scratch";
  write_tar_of_tars(tree, scratch / "a.tar", TarFile::Packing::plain);
  write_tar_of_tars(tree, scratch / "a.tar.gz", TarFile::Packing::gzip);
  put(folder / "archive/nested.bin", std::string(1, '\0') + text_of(scratch / "a.tar"));
  put(folder / "archive/nested_gz.bin", std::string(1, '\1') + text_of(scratch / "a.tar.gz"));
  put(folder / "archive/flat.bin", std::string(1, '\2') + class_tar(tree[0]));
  put(folder / "matlab/plain.bin", matlab_synsets(tree, false));
  put(folder / "matlab/compressed.bin", matlab_synsets(tree, true));
  for (const AwkwardFile& file : awkward_files(1)) {
    if (file.name != "huge") put(folder / "image" / (file.name + ".bin"), file.bytes);
  }
  write_unpacked(
      make_tree({.classes = 1, .each = 2, .width = 8, .height = 8, .quality = 30, .awkward = false}),
      scratch / "files");
  datasets::PackOptions options;
  options.source = "folder:" + (scratch / "files").string();
  options.output = scratch / "pack";
  options.progress = false;
  datasets::pack(options);
  put(folder / "pack/whole.bin", pack_seed(scratch / "pack"));
  put(folder / "manifest/whole.bin", text_of(scratch / "pack" / datasets::kManifestFile));
  put(folder / "checkpoint/whole.bin", checkpoint_seed());
  put(folder / "config/whole.bin", kConfig);
  put(folder / "spool/whole.bin", spool_seed(scratch / "spool"));
  fs::remove_all(scratch);
}

}  // namespace
}  // namespace vitrail::tests

int main(int count, char** words) try {
  if (count != 2) {
    fmt::print(stderr, "usage: make_seeds FOLDER\n");
    return 2;
  }
  vitrail::tests::write_seeds(words[1]);
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "make_seeds: {}\n", e.what());
  return 1;
}
