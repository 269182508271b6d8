// Mixup and CutMix of one lane batch with itself reversed, one draw for all its images: timm 1.0.31's batch
// mode. `weight` is the share of an image's own label; the partner of image i is image b - 1 - i. Throws:
// Error(refused) naming data.global_batch_size and run.lanes when b is odd. Source: Zhang et al., mixup
// (arXiv:1710.09412); Yun et al., CutMix (arXiv:1905.04899).
#pragma once

#include <cstdint>
#include <optional>

#include "datasets/data_config.hpp"
#include "datasets/image.hpp"
#include "datasets/lane_batch.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

struct Mix {
  double weight = 1.0;
  std::optional<Box> box;  // CutMix: these pixels come from the partner; absent: mixup, a blend of all pixels
};

inline bool mixes(const AugmentConfig& config) { return config.mixup > 0.0 || config.cutmix > 0.0; }
void check_mixing(const AugmentConfig& config, std::int64_t lane_batch_size);

// weight ~ Beta(alpha, alpha); with both alphas positive, CutMix with probability 1/2.
Mix draw_mix(const AugmentConfig& config, int image_size, Philox& stream);

// CutMix's square of side sqrt(1 - weight) around a centre, clipped at the borders; the weight is what it
// leaves. Its width or height may be 0.
Mix cut_mix(double weight, int image_size, int centre_x, int centre_y);

void apply_mix(const Mix& mix, int image_size, LaneBatch& batch);

}  // namespace vitrail::datasets
