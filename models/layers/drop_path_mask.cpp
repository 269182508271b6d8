#include "models/layers/drop_path_mask.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/base/philox.hpp"

namespace vitrail::models {

std::vector<std::int64_t> draw_kept_images(const DropPathKey& key, double rate, std::int64_t images) {
  Philox stream(key.seed, Purpose::drop_path, key.step, key.lane,
                static_cast<std::uint32_t>(key.branches * key.layer + key.branch));
  std::vector<std::int64_t> kept;
  for (std::int64_t image = 0; image < images; ++image) {
    if (stream.uniform() >= rate) kept.push_back(image);
  }
  return kept;
}

std::int64_t largest_kept(double rate, std::int64_t images) {
  const auto n = static_cast<double>(images);
  const double most = n * (1 - rate) + 6 * std::sqrt(n * rate * (1 - rate));
  return std::min(images, static_cast<std::int64_t>(std::ceil(most)));
}

}  // namespace vitrail::models
