#include "trainer/tasks/task_views.hpp"

#include <variant>

#include <fmt/format.h>

#include "models/families/families.hpp"
#include "trainer/base/error.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

using datasets::ViewPlan;

// As the authors' code has them.
ViewPlan dino_view(double min_area, double max_area, double blur, double solarize, std::int64_t image_size) {
  datasets::AugmentConfig augment;
  augment.crop_min_area = min_area;
  augment.crop_max_area = max_area;
  augment.distortion = {.jitter = 0.8,
                        .brightness = 0.4,
                        .contrast = 0.4,
                        .saturation = 0.2,
                        .hue = 0.1,
                        .grey = 0.2,
                        .blur = blur,
                        .solarize = solarize};
  return {augment, image_size};
}

std::vector<ViewPlan> dino_views(const DinoConfig& dino, std::int64_t image_size) {
  std::vector<ViewPlan> views = {dino_view(dino.global_min_area, 1, 1, 0, image_size),
                                 dino_view(dino.global_min_area, 1, 0.1, 0.2, image_size)};
  views.insert(views.end(), static_cast<std::size_t>(dino.local_views),
               dino_view(dino.local_min_area, dino.local_max_area, 0.5, 0, dino.local_size));
  for (std::int64_t v = 0; v < static_cast<std::int64_t>(views.size()); ++v) {
    views[static_cast<std::size_t>(v)].name =
        v < kGlobalViews ? fmt::format("global {}", v + 1) : fmt::format("local {}", v + 1 - kGlobalViews);
  }
  return views;
}

}  // namespace

std::vector<ViewPlan> task_views(const Config& config) {
  const ViewPlan view{config.augment, config.model.image_size};
  if (config.task.name == TaskName::dino) return dino_views(config.dino, config.model.image_size);
  if (config.task.name != TaskName::grafit || config.grafit.instance_weight == 0) return {view};
  std::vector<ViewPlan> views(static_cast<std::size_t>(config.grafit.views + 1), view);
  for (std::size_t v = 0; v < views.size(); ++v) views[v].name = fmt::format("instance {}", v + 1);
  views.back().name = "neighbours";
  return views;
}

MaskedPatches masked_patches(const Config& config) {
  const models::FamilyConfig network = models::resolve(network_of(config));
  const auto* const vit = std::get_if<models::VitConfig>(&network);
  if (vit == nullptr) {
    throw Error(ExitCode::refused, fmt::format("model.name = {} with task.name = mae", config.model.name),
                "patches are masked of transformers such as deit_b16");
  }
  return {vit->patch, vit->patches(), vit->patches() - vit->masked};
}

}  // namespace vitrail::trainer
