// Training losses on soft targets: logits [B,K], labels of a lane batch -> scalar, mean over the batch.
//   ce:  -sum_k t_k log softmax(z)_k        bce: mean over classes of -[t' log s(z) + (1 - t') log(1 - s(z))]
// t mixes two one-hot labels smoothed as timm does (off = s / K, on = 1 - s + off); t' is 1 where t is above
// loss.threshold (DeiT III: 0). Throws: Error(bad_data) for a label that the model has no class for.
#pragma once

#include <cstdint>

#include "datasets/lane_batch.hpp"
#include "trainer/settings/config.hpp"

namespace at {
class Tensor;
}

namespace vitrail::trainer {

void check_label(std::int64_t label, std::int64_t classes);
at::Tensor soft_targets(const datasets::LaneBatch& batch, const at::Tensor& logits, double smoothing);
at::Tensor training_loss(const LossConfig& config, const at::Tensor& logits, const at::Tensor& targets);

}  // namespace vitrail::trainer
