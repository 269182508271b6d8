#include "launcher/commands/asking/asked_weights.hpp"

namespace vitrail::launcher {

std::vector<std::string> settings_of_asking(const std::vector<std::string>& more) {
  std::vector<std::string> keys = {"run.threads",       "run.device",          "data.val",
                                   "data.classes",      "data.workers",        "data.mean",
                                   "data.std",          "model.name",          "model.image_size",
                                   "model.classes",     "model.patch",         "model.width",
                                   "model.depth",       "model.heads",         "model.parallel",
                                   "model.layer_scale", "model.weights",       "model.position_resize",
                                   "precision.compute", "evaluate.crop_ratio", "evaluate.flip",
                                   "evaluate.crops",    "evaluate.batch_size", "evaluate.weights"};
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

}  // namespace vitrail::launcher
