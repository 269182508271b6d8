#include "trainer/tasks/unlabelled/patch_mask.hpp"

#include <algorithm>
#include <utility>

#include "trainer/base/philox.hpp"

namespace vitrail::trainer {

std::vector<std::int64_t> draw_seen_patches(const PatchMaskKey& key, std::int64_t images,
                                            std::int64_t patches, std::int64_t seen) {
  std::vector<std::int64_t> all;
  all.reserve(static_cast<std::size_t>(images * seen));
  std::vector<std::pair<double, std::int64_t>> noise(static_cast<std::size_t>(patches));
  for (std::int64_t image = 0; image < images; ++image) {
    Philox stream(key.seed, Purpose::patch_mask, key.step, key.lane, static_cast<std::uint32_t>(image));
    for (std::int64_t patch = 0; patch < patches; ++patch)
      noise[static_cast<std::size_t>(patch)] = {stream.uniform(), patch};
    std::nth_element(noise.begin(), noise.begin() + (seen - 1), noise.end());
    const auto first = static_cast<std::ptrdiff_t>(all.size());
    for (std::int64_t i = 0; i < seen; ++i) all.push_back(noise[static_cast<std::size_t>(i)].second);
    std::sort(all.begin() + first, all.end());
  }
  return all;
}

}  // namespace vitrail::trainer
