#include "trainer/evaluation/evaluate_run.hpp"

#include <utility>
#include <vector>

#include "trainer/evaluation/evaluate.hpp"
#include "trainer/evaluation/knn.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

// Nothing where it was interrupted.
std::unique_ptr<Scorer> knn_scorer(Assembly& run, const models::Model& model, const Config& config,
                                   const std::function<bool()>& interrupted, Log& log) {
  const EvaluationConfig& how = config.evaluation;
  const EvaluationOptions options = evaluation_options(config, run.device);
  const models::FeatureChoice choice = models::read_feature_choice(how.features).value();
  auto known = known_features(model, run.known_data, options, run.communicator, choice, interrupted);
  if (!known) return nullptr;
  if (const std::string note = known->damage(); !note.empty()) log.line("warning: " + note);
  return std::make_unique<KnnScorer>(std::move(known->set), run.validation_data->size(), choice,
                                     knn_options(config, *run.known_data));
}

}  // namespace

std::optional<Scores> evaluate_run(Assembly& run, const Config& config,
                                   const std::function<bool()>& interrupted, Log& log) {
  const models::Model& model = run.evaluated_model();
  std::unique_ptr<Scorer> scorer;
  if (judged_by_neighbours(config))
    scorer = knn_scorer(run, model, config, interrupted, log);
  else
    scorer = run.task->scorer();
  if (!scorer) return std::nullopt;
  return evaluate(model, run.validation_data, evaluation_options(config, run.device), *scorer,
                  run.communicator, interrupted);
}

}  // namespace vitrail::trainer
