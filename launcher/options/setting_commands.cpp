#include "launcher/options/setting_commands.hpp"

#include <map>

#include "launcher/options/command_sets.hpp"

namespace vitrail::launcher {

// What trains uses all settings.
std::vector<Command> commands_of(const std::string& key) {
  static const std::map<std::string, std::vector<Command>> others = {
      {"run.seed", kAugmenting},
      {"run.lanes", kRunning},
      {"run.threads", kAsking},
      {"run.peak_tflops", kLoading},
      {"run.device", kAsking},
      {"data.train", kLoading},
      {"data.val", kAsking},
      {"data.classes", kAskingOrLoading},
      {"data.order", kLoading},
      {"data.extent_images", kLoading},
      {"data.window_extents", kLoading},
      {"data.workers", kAskingOrLoading},
      {"data.prefetch_steps", kLoading},
      {"data.mean", kNormalising},
      {"data.std", kNormalising},
      {"model.name", kNamed},
      {"model.image_size", kPictured},
      {"model.classes", kModelled},
      {"model.patch", kModelled},
      {"model.width", kModelled},
      {"model.depth", kModelled},
      {"model.heads", kModelled},
      {"model.parallel", kModelled},
      {"model.layer_scale", kWeighted},
      {"model.drop_path", kPlanned},
      {"model.drop_path_law", kPlanned},
      {"model.activation_checkpointing", kPlanned},
      {"model.weights", kWeighted},
      {"model.position_resize", kWeighted},
      {"precision.compute", kAsking},
      {"sharding.timeout", kRunning},
      {"evaluate.crop_ratio", kAsking},
      {"evaluate.flip", kAsking},
      {"evaluate.batch_size", kAsking},
      {"evaluate.weights", kAsking},
      {"evaluate.real_labels", {Command::eval}},
      {"evaluate.per_class", {Command::eval}},
      {"evaluate.protocol", {Command::eval}},
      {"evaluate.known", {Command::eval}},
      {"evaluate.neighbours", {Command::eval}},
      {"evaluate.temperature", {Command::eval}},
      {"evaluate.features", {Command::eval}}};
  if (key.starts_with("augment.")) return kAugmenting;
  const auto found = others.find(key);
  return found == others.end() ? kTraining : found->second;
}

}  // namespace vitrail::launcher
