#include "trainer/settings/sample_cost.hpp"

#include <cmath>

#include "models/families/catalogue.hpp"

namespace vitrail::trainer {
namespace {

SampleCost cost_of_view(const models::ModelConfig& network) {
  const models::ModelSummary view = models::describe_model(network);
  return {view.macs_in_training, 0, view.macs_again, view.macs_deviation, view.activation_bytes};
}

// A body that only looks, and a classifier.
SampleCost cost_of_probe(const models::ModelConfig& network) {
  SampleCost cost;
  for (const models::ParameterSpec& spec : models::parameters_of(network))
    if (spec.head) cost.student += static_cast<double>(spec.elements());
  cost.teacher = static_cast<double>(models::describe_model(network).macs) - cost.student;
  cost.activation_bytes = static_cast<std::int64_t>(sizeof(float) * cost.student) / network.classes;
  return cost;
}

// The neighbours' view, and those of the instances' loss.
SampleCost cost_of_embeddings(const GrafitConfig& grafit, const models::ModelConfig& network,
                              SampleCost view) {
  if (grafit.instance_weight == 0) return view;
  const auto views = static_cast<double>(grafit.views);
  view.student *= views + 1;
  view.teacher = views * static_cast<double>(models::describe_model(network).macs);
  view.again *= views + 1;
  view.deviation *= std::sqrt(views + 1);
  view.activation_bytes *= grafit.views + 1;
  return view;
}

}  // namespace

// DINO: each group's mean of the teacher's outputs. Grafit: every sample, and its embedding.
std::int64_t shared_numbers(const Config& config) {
  if (config.task.name == TaskName::dino) return config.lane_groups() * config.dino.head.outputs;
  if (config.task.name == TaskName::grafit)
    return config.data.global_batch_size * (1 + config.grafit.head.outputs);
  return 0;
}

std::int64_t remembered_numbers(const Config& config) {
  return config.task.name == TaskName::grafit ? config.grafit.head.outputs : 0;
}

SampleCost sample_cost(const Config& config, const models::ModelConfig& network) {
  const SampleCost global = cost_of_view(network);
  if (config.task.name == TaskName::grafit) return cost_of_embeddings(config.grafit, network, global);
  if (config.task.name == TaskName::linear) return cost_of_probe(network);
  if (config.task.name != TaskName::dino) return global;
  constexpr std::int64_t kGlobal = 2;
  models::ModelConfig small = network;
  small.image_size = config.dino.local_size;
  const SampleCost local = cost_of_view(small);
  const auto views = static_cast<double>(config.dino.local_views);
  const auto both = [&](double of_global, double of_local) { return kGlobal * of_global + views * of_local; };
  SampleCost all;
  all.student = both(global.student, local.student);
  all.teacher = kGlobal * static_cast<double>(models::describe_model(network).macs);
  all.again = both(global.again, local.again);
  all.deviation = std::sqrt(
      both(global.deviation * global.deviation, local.deviation * local.deviation));  // draws of their own
  all.activation_bytes = kGlobal * global.activation_bytes + config.dino.local_views * local.activation_bytes;
  return all;
}

}  // namespace vitrail::trainer
