#include "trainer/evaluation/evaluate_run.hpp"

#include <utility>
#include <vector>

#include "trainer/evaluation/evaluate.hpp"
#include "trainer/evaluation/knn.hpp"

namespace vitrail::trainer {
namespace {

// Nothing where it was interrupted.
std::unique_ptr<Scorer> knn_scorer(Assembly& run, const models::Model& model, const Config& config,
                                   const std::function<bool()>& interrupted) {
  const EvaluationConfig& how = config.evaluation;
  const EvaluationOptions options = evaluation_options(config, run.device);
  const models::FeatureChoice choice = models::read_feature_choice(how.features).value();
  FeatureCollector known(run.known_data->size(), options.lanes, feature_width(model, options, choice),
                         choice);
  std::vector<double> stops(1);
  look_at_images(run.known_data, options, run.communicator, "neighbours",
                 [&](const at::Tensor& images, const datasets::EvaluationBatch& batch) {
                   known.add(model, images, batch);
                   if (interrupted()) stops[0] = 1;
                   return stops[0] == 0;
                 });
  run.communicator.all_reduce_sum(stops);
  if (stops[0] > 0) return nullptr;
  return std::make_unique<KnnScorer>(known.take(), run.validation_data->size(), choice,
                                     knn_options(config, *run.known_data));
}

}  // namespace

std::optional<Scores> evaluate_run(Assembly& run, const Config& config,
                                   const std::function<bool()>& interrupted) {
  const models::Model& model = run.evaluated_model();
  std::unique_ptr<Scorer> scorer = run.task->scorer();
  if (!scorer) scorer = knn_scorer(run, model, config, interrupted);
  if (!scorer) return std::nullopt;
  return evaluate(model, run.validation_data, evaluation_options(config, run.device), *scorer,
                  run.communicator, interrupted);
}

}  // namespace vitrail::trainer
