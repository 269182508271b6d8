#include "launcher/commands/asking/asked_weights.hpp"

#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

std::vector<std::string> settings_of_asking(const std::vector<std::string>& more) {
  std::vector<std::string> keys = {"run.threads",
                                   "run.device",
                                   "data.val",
                                   "data.classes",
                                   "data.workers",
                                   "data.mean",
                                   "data.std",
                                   "model.image_size",
                                   "model.classes",
                                   "model.weights",
                                   "model.position_resize",
                                   "precision.compute",
                                   "evaluate.crop_ratio",
                                   "evaluate.flip",
                                   "evaluate.crops",
                                   "evaluate.batch_size",
                                   "evaluate.weights"};
  const std::vector<std::string>& network = trainer::network_keys();
  keys.insert(keys.end(), network.begin(), network.end());
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

}  // namespace vitrail::launcher
