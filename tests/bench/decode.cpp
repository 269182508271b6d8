// One side of decode.py: all JPEG files of a folder, held in memory, through one stage of the data path, on
// one thread. `bench_decode FOLDER STAGE SIZE SECONDS` prints images per second of CPU time, over whole
// passes.
//   region       decode the part that a random crop needs
//   resized      region, then resize
//   rrc          resized, then flip and normalise: the whole transform
//   three        rrc, 3-Augment and colour jitter between resize and normalise
//   randaugment  rrc, rand-m9-mstd0.5-inc1 between resize and normalise
//   full         decode everything
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"

namespace {

using namespace vitrail::datasets;

std::vector<Sample> read_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Sample> samples;
  for (const auto& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
    const auto* first = reinterpret_cast<const std::byte*>(file.data());
    samples.emplace_back().encoded.assign(first, first + file.size());
  }
  return samples;
}

AugmentConfig config_of(const std::string& stage) {
  AugmentConfig config;
  if (stage == "three") {
    config.three_augment = true;
    config.color_jitter = 0.3;
  }
  if (stage == "randaugment") config.randaugment = "rand-m9-mstd0.5-inc1";
  return config;
}

// Does one image; what it is asked for differs from pass to pass.
using Stage = std::function<void(const Sample&, const SampleKey&, std::span<float>)>;

struct Buffers {
  Transformer transformer;
  Normaliser normaliser{vitrail::kImageNet};
  std::vector<std::uint8_t> decoded;
  ResizeScratch scratch;
  Image picture;
};

Stage stage_named(const std::string& name, int size) {
  if (name == "full")
    return [](const Sample& sample, const SampleKey&, std::span<float>) { decode_image(sample.encoded); };
  const auto buffers = std::make_shared<Buffers>();
  if (name == "region" || name == "resized") {
    return [=](const Sample& sample, const SampleKey& key, std::span<float>) {
      EncodedImage encoded(sample.encoded);
      const Resize resize(draw_augmentation({}, key, encoded.width(), encoded.height(), size).view);
      const PixelView pixels = encoded.decode(resize.needed(), buffers->decoded);
      if (name == "resized") resize.apply(pixels, buffers->scratch, buffers->picture);
    };
  }
  return [=, config = config_of(name)](const Sample& sample, const SampleKey& key, std::span<float> out) {
    buffers->transformer.train(sample, config, key, size, buffers->normaliser, out);
  };
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  const std::vector<Sample> samples = read_folder(words[1]);
  const int size = std::stoi(words[3]);
  const double enough = std::stod(words[4]);
  // A batch, as a loader would fill it: the floats of one image are not in the cache when the next is
  // written.
  constexpr std::size_t kBatch = 64;
  const std::size_t floats = std::size_t{3} * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  std::vector<float> batch(kBatch * floats);
  const Stage stage = stage_named(words[2], size);

  // Of this process alone: others on the machine take time from it, not from what is measured.
  const auto start = std::clock();
  double seconds = 0.0;
  std::uint64_t images = 0;
  for (std::uint64_t epoch = 0; seconds < enough; ++epoch) {
    for (std::size_t i = 0; i < samples.size(); ++i, ++images) {
      stage(samples[i], {.seed = 1, .epoch = epoch, .sample = i},
            std::span(batch).subspan(images % kBatch * floats, floats));
    }
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  fmt::print("{:.2f}\n", static_cast<double>(images) / seconds);
}
