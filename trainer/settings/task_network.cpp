#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

bool learns_labels(TaskName task) { return task == TaskName::classification || task == TaskName::linear; }

bool uses_labels(TaskName task) { return learns_labels(task) || task == TaskName::grafit; }

bool judged_by_neighbours(const Config& config) {
  if (config.evaluation.protocol == Protocol::of_task) return !learns_labels(config.task.name);
  return config.evaluation.protocol == Protocol::knn;
}

models::EmbeddingConfig embedding_of(const GrafitConfig& grafit) {
  models::EmbeddingConfig head = grafit.head;
  if (grafit.instance_weight == 0) head.predictor_hidden = 0;
  return head;
}

models::ModelConfig network_of(const Config& config) {
  models::ModelConfig network = config.model;
  if (config.task.name == TaskName::dino) network.task_head = config.dino.head;
  if (config.task.name == TaskName::mae) network.task_head = config.mae.head;
  if (config.task.name == TaskName::grafit) network.task_head = embedding_of(config.grafit);
  if (config.task.name == TaskName::linear) network.task_head = config.linear;
  return network;
}

bool has_teacher(const Config& config) {
  const bool has_target = config.task.name == TaskName::grafit && config.grafit.instance_weight > 0;
  return config.task.name == TaskName::dino || has_target;
}

bool has_average(const Config& config) { return has_teacher(config) || config.ema.decay > 0; }

}  // namespace vitrail::trainer
