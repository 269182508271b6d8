// Mixup and CutMix of a lane batch with itself reversed: timm 1.0.31's batch, pair and elem modes. The
// partner of image i is image b - 1 - i; `weight` is the share of an image's own label. Throws:
// Error(refused) naming data.global_batch_size and run.lanes when b is odd, and for several views of a
// sample. Source: Zhang et al., mixup
// (arXiv:1710.09412); Yun et al., CutMix (arXiv:1905.04899).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "datasets/data_config.hpp"
#include "datasets/lane_batch.hpp"
#include "datasets/pixels/image.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

struct Mix {
  double weight = 1.0;     // 1 without a box: the image stays as it is
  std::optional<Box> box;  // CutMix: these pixels come from the partner; absent: mixup, a blend of all pixels

  bool operator==(const Mix&) const = default;
};

inline bool mixes(const AugmentConfig& config) { return config.mixup > 0.0 || config.cutmix > 0.0; }
void check_mixing(const AugmentConfig& config, std::int64_t lane_batch_size);
void check_mixing(const std::vector<ViewPlan>& views, std::int64_t lane_batch_size);  // of every sample

// One for each of the batch's images; by augment.mix_mode one draw for all, for each pair or for each image.
// weight ~ Beta(alpha, alpha); with both alphas positive, CutMix with augment.switch_probability.
std::vector<Mix> draw_mixes(const AugmentConfig& config, int image_size, std::int64_t images, Philox& stream);

// CutMix's square of side sqrt(1 - weight) around a centre, clipped at the borders; the weight is what it
// leaves. Its width or height may be 0.
Mix cut_mix(double weight, int image_size, int centre_x, int centre_y);

// Of a batch of one view.
void apply_mixes(const std::vector<Mix>& mixes, int image_size, LaneBatch& batch);

}  // namespace vitrail::datasets
