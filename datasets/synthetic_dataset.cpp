#include "datasets/synthetic_dataset.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::uint64_t kSeed = 0x766974726169;  // the content of a specification is fixed for good
constexpr std::uint64_t kOfClass = 0, kOfSample = 1;
constexpr int kPeriod = 256;  // of the stripes' phase
constexpr int kNoise = 40;    // grey levels to either side

// 0 .. 128 .. 0 over one period.
int triangle(int phase) {
  const int p = ((phase % kPeriod) + kPeriod) % kPeriod;
  return p < kPeriod / 2 ? p : kPeriod - p;
}

struct Pattern {
  int across, down;  // phase per 1/64 of the image's side
  std::array<int, 3> low, high;
};

Pattern pattern_of(std::int64_t label) {
  Philox stream(kSeed, Purpose::synthetic, kOfClass, static_cast<std::uint64_t>(label));
  Pattern pattern{};
  pattern.across = static_cast<int>(stream.below(33)) - 16;
  pattern.down = static_cast<int>(stream.below(33)) - 16;
  for (int& level : pattern.low) level = static_cast<int>(stream.below(256));
  for (int& level : pattern.high) level = static_cast<int>(stream.below(256));
  return pattern;
}

class SyntheticDataset final : public Dataset {
 public:
  SyntheticDataset(std::string spec, std::int64_t samples, std::int64_t classes, std::int64_t size)
      : spec_(std::move(spec)), samples_(samples), classes_(classes), side_(static_cast<int>(size)) {}

  std::int64_t size() const override { return samples_; }
  std::int64_t classes() const override { return classes_; }
  std::string class_name(std::int64_t label) const override { return fmt::format("texture {}", label); }
  std::int64_t label(std::int64_t index) const override { return index % classes_; }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string describe() const override { return "synthetic:" + spec_; }
  std::string fingerprint() const override {
    return hash_text(fmt::format("synthetic 1 {} {} {}", samples_, classes_, side_)).hex();
  }

  Sample read(std::int64_t index) const override {
    const Pattern pattern = pattern_of(label(index));
    Philox stream(kSeed, Purpose::synthetic, kOfSample, static_cast<std::uint64_t>(index));
    const auto phase = static_cast<int>(stream.below(kPeriod));
    const auto contrast = static_cast<int>(stream.below(129)) + 128;  // of 256
    Sample sample;
    sample.image = {side_, side_, {}};
    sample.image.rgb.resize(static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_) * 3);
    for (int y = 0; y < side_; ++y) {
      std::uint8_t* out = sample.image.row(y);
      for (int x = 0; x < side_; ++x) {
        const int share = triangle(phase + (pattern.across * x + pattern.down * y) * 64 / side_);
        std::uint32_t noise = stream.next_u32();
        for (std::size_t c = 0; c < 3; ++c, noise >>= 8) {
          const int level = pattern.low[c] + (pattern.high[c] - pattern.low[c]) * share / (kPeriod / 2);
          const int shaken = 128 + (level - 128) * contrast / 256 +
                             static_cast<int>(noise & 0xff) * (2 * kNoise + 1) / 256 - kNoise;
          *out++ = static_cast<std::uint8_t>(std::clamp(shaken, 0, 255));
        }
      }
    }
    return sample;
  }

 private:
  std::string spec_;
  std::int64_t samples_, classes_;
  int side_;
};

}  // namespace

std::shared_ptr<const Dataset> open_synthetic_dataset(const std::string& spec) {
  std::array<std::int64_t, 3> numbers{};
  const char* at = spec.data();
  const char* const end = at + spec.size();
  bool good = true;
  for (std::size_t i = 0; i < numbers.size() && good; ++i) {
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    const bool last = i + 1 == numbers.size();
    good = error == std::errc() && numbers[i] >= 1 && (last ? stop == end : stop != end && *stop == ',');
    at = last ? stop : stop + 1;
  }
  const auto [samples, classes, size] = numbers;
  if (!good || size > 4096 || samples >= std::int64_t{1} << 40) {
    throw Error(ExitCode::usage, fmt::format("synthetic:{}: not of the form synthetic:N,CLASSES,SIZE", spec),
                "three numbers from 1 on, SIZE at most 4096: synthetic:10000,10,32");
  }
  return std::make_shared<SyntheticDataset>(spec, samples, classes, size);
}

}  // namespace vitrail::datasets
