// What training sees of every sample, by task: a pure value of the settings, without LibTorch, so that it can
// be looked at before a run. Throws: Error(refused) for a network whose patches cannot be masked so.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/data_config.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

inline constexpr std::int64_t kGlobalViews = 2;  // of DINO: what its teacher sees, the first ones

// Several have names: "global 1", "local 3", "neighbours".
std::vector<datasets::ViewPlan> task_views(const Config& config);

// Of a masked autoencoder: an image is patches of `side` pixels, of which so many are seen.
struct MaskedPatches {
  std::int64_t side = 0, patches = 0, seen = 0;
};
MaskedPatches masked_patches(const Config& config);  // task.name = mae

}  // namespace vitrail::trainer
