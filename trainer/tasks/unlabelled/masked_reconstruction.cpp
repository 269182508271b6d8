#include "trainer/tasks/unlabelled/masked_reconstruction.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/patch_choice.hpp"
#include "models/layers/precision.hpp"
#include "trainer/tasks/task_views.hpp"
#include "trainer/tasks/unlabelled/patch_mask.hpp"

namespace vitrail::trainer {
namespace {

constexpr double kVarianceEps = 1e-6;

// [B,3,S,S] -> [B,N,P*P*3], row by row, channels innermost.
at::Tensor pixels_of_patches(const at::Tensor& images, std::int64_t patch) {
  return models::cut_into_patches(images, patch).permute({0, 2, 4, 3, 5, 1}).flatten(3, 5).flatten(1, 2);
}

std::vector<std::int64_t> drawn(const models::Pass& pass, std::int64_t images, std::int64_t patches,
                                std::int64_t seen) {
  return draw_seen_patches({pass.seed, pass.step, pass.lane}, images, patches, seen);
}

}  // namespace

at::Tensor reconstruction_loss(const at::Tensor& painted, const at::Tensor& images,
                               const std::vector<std::int64_t>& hidden, std::int64_t patch, bool normalised) {
  at::Tensor wanted = models::chosen_patches(pixels_of_patches(models::widened(images), patch), hidden);
  if (normalised) {
    const at::Tensor mean = wanted.mean(2, true), variance = wanted.var(2, /*unbiased=*/true, true);
    wanted = (wanted - mean) / (variance + kVarianceEps).sqrt();
  }
  return at::mse_loss(models::widened(painted), wanted);
}

MaskedReconstruction::MaskedReconstruction(const Config& config, Draw draw)
    : config_(config), draw_(draw ? std::move(draw) : drawn) {
  const MaskedPatches masked = masked_patches(config);
  patch_ = masked.side;
  patches_ = masked.patches;
  seen_ = masked.seen;
}

std::vector<datasets::ViewPlan> MaskedReconstruction::views() const { return task_views(config_); }

at::Tensor MaskedReconstruction::lane_loss(const LaneInput& lane, std::span<double> /*shared*/) const {
  const at::Tensor& images = lane.views.front();
  models::Pass pass = lane.pass;
  pass.features.tokens = true;
  pass.visible = draw_(pass, images.size(0), patches_, seen_);
  const at::Tensor painted = lane.student.forward(images, pass).classes;
  return reconstruction_loss(painted, images, models::other_patches(pass.visible, images.size(0), patches_),
                             patch_, config_.mae.normalised);
}

std::vector<std::string> MaskedReconstruction::log_lines() const {
  const models::ReconstructionConfig& decoder = config_.mae.head;
  return {
      fmt::format("mae: {} of {} patches are seen; a decoder of {} blocks, {} channels, {} heads paints "
                  "the others",
                  seen_, patches_, decoder.depth, decoder.width, decoder.heads)};
}

}  // namespace vitrail::trainer
