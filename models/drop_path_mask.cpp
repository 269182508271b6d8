#include "models/drop_path_mask.hpp"

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

}  // namespace vitrail::models
