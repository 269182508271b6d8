// A run of a tiny network on synthetic images, four lanes of four, for tests of whole steps.
#pragma once

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

inline Config tiny_run() {
  Config config;
  config.run.lanes = 4;
  config.run.steps = 120;
  config.run.seed = 3;
  config.data.train = "synthetic:64,4,16";
  config.data.global_batch_size = 16;
  config.augment.crop = datasets::Crop::none;
  config.model.name = "vit_xxs4";
  config.model.image_size = 16;
  config.model.classes = 4;
  config.model.width = 32;
  config.model.depth = 2;
  config.model.heads = 2;
  config.model.layer_scale = 0.1;
  config.optimizer.lr = 1e-2;
  config.schedule.warmup = {2, Duration::Unit::steps};
  return config;
}

}  // namespace vitrail::trainer
