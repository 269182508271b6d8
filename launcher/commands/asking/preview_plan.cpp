#include "launcher/commands/asking/preview_plan.hpp"

#include "trainer/tasks/task_views.hpp"
#include "trainer/tasks/unlabelled/patch_mask.hpp"

namespace vitrail::launcher {

datasets::PreviewPlan preview_plan(const trainer::Config& config, std::int64_t samples, std::int64_t draws) {
  datasets::PreviewPlan plan{.views = trainer::task_views(config),
                             .seed = config.run.seed,
                             .samples = samples,
                             .draws = draws,
                             .normalisation = config.data.normalisation};
  if (config.task.name != trainer::TaskName::mae) return plan;
  const trainer::MaskedPatches masked = trainer::masked_patches(config);
  plan.masked = {masked.side, masked.patches, masked.seen,
                 [seed = plan.seed, masked](std::uint64_t draw, std::int64_t images) {
                   return trainer::draw_seen_patches({.seed = seed, .step = draw}, images, masked.patches,
                                                     masked.seen);
                 }};
  return plan;
}

}  // namespace vitrail::launcher
