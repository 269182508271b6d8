// How much packing costs beyond decoding: a tar of ImageNet's form with JPEGs of 500 x 375, quality 96, is
// packed by one thread and by two, in turns with one full decode of every image from memory by one thread.
//   bench_packing SCRATCH_FOLDER [IMAGES [ROUNDS]]
// Photographs are cut from plasma-workspace-wallpapers where that is installed, else textures are made.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/pack/pack_verify.hpp"
#include "datasets/packing/pack.hpp"
#include "tests/archives/archives.hpp"
#include "tests/archives/images.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::tests {
namespace {

namespace fs = std::filesystem;
using datasets::Image;

constexpr int kWidth = 500, kHeight = 375, kQuality = 96, kClasses = 20;
constexpr const char* kWallpapers = "/usr/share/wallpapers";

struct Spent {
  double seconds = 0, cpu_seconds = 0;  // of the clock; of this process on all cores
};

template <class Function>
Spent spent(const Function& f) {
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  f();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}

Spent median(const std::vector<Spent>& rounds) {
  std::vector<double> seconds, cpu;
  for (const Spent& round : rounds) {
    seconds.push_back(round.seconds);
    cpu.push_back(round.cpu_seconds);
  }
  std::ranges::sort(seconds);
  std::ranges::sort(cpu);
  return {seconds[seconds.size() / 2], cpu[cpu.size() / 2]};
}

Image tile(const Image& photo, int column, int row) {
  Image image{kWidth, kHeight, {}};
  for (int y = 0; y < kHeight; ++y) {
    const std::uint8_t* begin = photo.row(row * kHeight + y) + std::ptrdiff_t{column} * kWidth * 3;
    image.rgb.insert(image.rgb.end(), begin, begin + std::ptrdiff_t{kWidth} * 3);
  }
  return image;
}

// JPEGs of 1920 x 1080 to 2560 x 1600, cut into tiles.
std::vector<std::string> photographs(std::size_t count) {
  std::vector<std::string> jpegs;
  if (!fs::is_directory(kWallpapers)) return jpegs;
  for (const auto& file : datasets::files_below(kWallpapers)) {
    const bool size = file.name.ends_with("1920x1080.jpg") || file.name.ends_with("2560x1600.jpg");
    if (!size || !file.is_file || jpegs.size() >= count) continue;
    const std::string bytes = read_text(fs::path(kWallpapers) / file.name);
    const Image photo = datasets::decode_image(std::as_bytes(std::span(bytes)));
    for (int row = 0; (row + 1) * kHeight <= photo.height; ++row) {
      for (int column = 0; (column + 1) * kWidth <= photo.width; ++column) {
        jpegs.push_back(jpeg(tile(photo, column, row), kQuality));
      }
    }
  }
  return jpegs;
}

std::vector<ImageClass> make_classes(std::size_t count) {
  std::vector<std::string> jpegs = photographs(count);
  fmt::print("{}\n", jpegs.empty() ? "textures" : fmt::format("{} tiles of photographs", jpegs.size()));
  for (std::uint64_t i = 0; jpegs.empty() || (jpegs.size() < 100 && i < 100); ++i) {
    jpegs.push_back(jpeg(texture(1, static_cast<int>(i % kClasses), i, kWidth, kHeight), kQuality));
  }
  std::vector<ImageClass> tree(kClasses);
  for (std::size_t i = 0; i < count; ++i) {
    ImageClass& home = tree[i % kClasses];
    home.wnid = fmt::format("n{:08}", i % kClasses);
    home.files.push_back({fmt::format("{}_{}.JPEG", home.wnid, i), jpegs[i % jpegs.size()], ""});
  }
  return tree;
}

void run(const fs::path& scratch, std::size_t count, int rounds) {
  const auto tree = make_classes(count);
  fs::create_directories(scratch);
  write_tar_of_tars(tree, scratch / "train.tar", TarFile::Packing::plain);
  std::size_t bytes = 0;
  for (const ImageClass& c : tree) {
    for (const ImageFile& file : c.files) bytes += file.bytes.size();
  }
  fmt::print("{} images, {:.0f} bytes each\n", count,
             static_cast<double>(bytes) / static_cast<double>(count));
  datasets::PackOptions options;
  options.source = "imagenet-train:" + (scratch / "train.tar").string();
  options.output = scratch / "pack";
  options.shard_bytes = bytes / 16 + 1;  // so that two threads end at about the same time
  options.progress = false;
  std::vector<Spent> decode, pack[2], verify[2];
  for (int round = 0; round < rounds; ++round) {
    decode.push_back(spent([&] {
      for (const ImageClass& c : tree) {
        for (const ImageFile& file : c.files) datasets::decode_image(std::as_bytes(std::span(file.bytes)));
      }
    }));
    for (const int threads : {1, 2}) {
      fs::remove_all(options.output);
      options.threads = threads;
      pack[threads - 1].push_back(spent([&] { datasets::pack(options); }));
      verify[threads - 1].push_back(spent([&] {
        datasets::verify_pack(options.output, {threads, false, false});
      }));
    }
  }
  fs::remove_all(scratch);
  const auto line = [&](const char* what, const std::vector<Spent>& rounds_of) {
    const Spent time = median(rounds_of);
    fmt::print("{:<18} {:7.3f} s {:7.3f} s of cpu {:8.0f} images/s {:8.1f} MB/s\n", what, time.seconds,
               time.cpu_seconds, static_cast<double>(count) / time.seconds,
               static_cast<double>(bytes) / time.seconds / 1e6);
  };
  line("decode", decode);
  line("pack, 1 thread", pack[0]);
  line("pack, 2 threads", pack[1]);
  line("verify, 1 thread", verify[0]);
  line("verify, 2 threads", verify[1]);
  fmt::print(
      "packing at {:.2f} of the speed of decoding (cpu time: {:.2f}); 2 threads {:.2f} x one; verify {:.2f} "
      "x\n",
      median(decode).seconds / median(pack[0]).seconds,
      median(decode).cpu_seconds / median(pack[0]).cpu_seconds,
      median(pack[0]).seconds / median(pack[1]).seconds,
      median(verify[0]).seconds / median(verify[1]).seconds);
}

}  // namespace
}  // namespace vitrail::tests

int main(int count, char** words) {
  if (count < 2 || count > 4) {
    fmt::print(stderr, "usage: bench_packing SCRATCH_FOLDER [IMAGES [ROUNDS]]\n");
    return 2;
  }
  const int images = count > 2 ? std::atoi(words[2]) : 2000, rounds = count > 3 ? std::atoi(words[3]) : 5;
  vitrail::tests::run(std::filesystem::path(words[1]) / "bench_packing", static_cast<std::size_t>(images),
                      rounds);
  return 0;
}
