// Masked autoencoding (He et al. 2022): from a quarter of an image's patches the network and a decoder paint
// the others. Source: the authors' code. No state.
#pragma once

#include <functional>

#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// Mean over pixels, patches and images of the squared difference. painted [B,M,P*P*3]; images [B,3,S,S];
// hidden: M of their patches each, image after image. `normalised`: to a patch's pixels less their mean, over
// their deviation.
at::Tensor reconstruction_loss(const at::Tensor& painted, const at::Tensor& images,
                               const std::vector<std::int64_t>& hidden, std::int64_t patch, bool normalised);

class MaskedReconstruction final : public Task {
 public:
  // Of one lane: patch_mask.hpp. Comparisons with others give theirs.
  using Draw = std::function<std::vector<std::int64_t>(const models::Pass& pass, std::int64_t images,
                                                       std::int64_t patches, std::int64_t seen)>;

  explicit MaskedReconstruction(const Config& config, Draw draw = {});

  std::vector<datasets::ViewPlan> views() const override;
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override;
  std::vector<std::string> log_lines() const override;

 private:
  Config config_;
  Draw draw_;
  std::int64_t patch_, patches_, seen_;
};

}  // namespace vitrail::trainer
