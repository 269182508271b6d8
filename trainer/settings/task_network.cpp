#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

bool learns_labels(TaskName task) { return task == TaskName::classification; }

models::ModelConfig network_of(const Config& config) {
  models::ModelConfig network = config.model;
  if (config.task.name == TaskName::dino) network.task_head = config.dino.head;
  if (config.task.name == TaskName::mae) network.task_head = config.mae.head;
  return network;
}

bool has_teacher(const Config& config) { return config.task.name == TaskName::dino; }

bool has_average(const Config& config) { return has_teacher(config) || config.ema.decay > 0; }

}  // namespace vitrail::trainer
