#include "trainer/settings/validate.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/nearest.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/settings/train_only.hpp"

namespace vitrail::trainer {
namespace {

template <class... Values>
Error refuse(fmt::format_string<Values...> format, Values&&... values) {
  return Error(ExitCode::refused, fmt::format(format, std::forward<Values>(values)...));
}

// "24 or 32": the multiples of `divisor` around `value`.
std::string multiples_around(std::int64_t value, std::int64_t divisor) {
  const std::int64_t below = value / divisor * divisor;
  return below == 0 ? fmt::to_string(divisor) : fmt::format("{} or {}", below, below + divisor);
}

// Sums over lanes are balanced binary trees, so that any split over ranks adds in the same order.
void check_lanes(const RunConfig& run) {
  if (run.lanes >= 1 && std::has_single_bit(static_cast<std::uint64_t>(run.lanes))) return;
  throw refuse(
      "run.lanes = {}: lanes are a power of two; choose the most ranks the run will ever use, rounded up",
      run.lanes);
}

// Only whole groups of lanes can be one rank's, at any number of ranks and in the same order of additions.
void check_batch_norm(const Config& config) {
  const std::int64_t together = config.model.batch_norm_lanes, lanes = config.run.lanes;
  if (together == 1) return;
  if (together < 1 || !std::has_single_bit(static_cast<std::uint64_t>(together)) || together > lanes) {
    throw refuse(
        "model.batch_norm_lanes = {} with run.lanes = {}: groups of lanes are a power of two, and no more "
        "than "
        "all lanes; set {}",
        together, lanes,
        together > lanes
            ? fmt::format("model.batch_norm_lanes = {}, or more lanes", lanes)
            : fmt::format("model.batch_norm_lanes = {}",
                          std::bit_floor(static_cast<std::uint64_t>(std::max<std::int64_t>(together, 1)))));
  }
  const models::ParameterSpecs parameters = models::parameters_of(config.model);
  if (std::ranges::any_of(parameters, &models::ParameterSpec::is_statistic)) return;
  throw refuse(
      "model.batch_norm_lanes = {}: {} has no batch norm, whose statistics are all that lanes share; leave "
      "it "
      "out",
      together, config.model.name);
}

void check_length(const RunConfig& run) {
  if ((run.epochs > 0) != (run.steps > 0)) return;
  throw refuse("run.epochs = {} with run.steps = {}: set exactly one of them, the length of the run",
               run.epochs, run.steps);
}

void check_batch(const Config& config) {
  const std::int64_t batch = config.data.global_batch_size, lanes = config.run.lanes;
  if (batch >= 1 && batch % lanes == 0) return;
  throw refuse(
      "data.global_batch_size = {} with run.lanes = {}: every lane takes the same number of images; set "
      "data.global_batch_size = {}",
      batch, lanes, multiples_around(batch, lanes));
}

// Copies of one image in one lane batch would be mixed with each other.
void check_copies(const Config& config) {
  const std::int64_t copies = config.data.repeated_augmentation, lanes = config.run.lanes;
  if (copies <= lanes) return;
  throw refuse(
      "data.repeated_augmentation = {} with run.lanes = {}: the copies of an image go to different lanes; "
      "set "
      "run.lanes = {}",
      copies, lanes, std::bit_ceil(static_cast<std::uint64_t>(copies)));
}

// Mixing pairs image i of a lane with image b - 1 - i.
void check_mixing(const Config& config) {
  if (config.augment.mixup == 0.0 && config.augment.cutmix == 0.0) return;
  const std::int64_t batch = config.data.global_batch_size, lanes = config.run.lanes;
  if (batch / lanes % 2 == 0) return;
  throw refuse(
      "augment.mixup = {} and augment.cutmix = {} with data.global_batch_size = {} and run.lanes = {}: "
      "mixing "
      "pairs the images of a lane, and {} is odd; set data.global_batch_size = {}, or both alphas to 0",
      config.augment.mixup, config.augment.cutmix, batch, lanes, batch / lanes,
      multiples_around(batch, 2 * lanes));
}

// Smoothing gives every class a share, and above the threshold all of them would be positive.
void check_loss(const Config& config) {
  const LossConfig& loss = config.loss;
  const double share = loss.smoothing / static_cast<double>(config.model.classes);
  if (loss.name != LossName::bce || share <= loss.threshold) return;
  throw refuse(
      "loss.smoothing = {} with loss.name = bce and loss.threshold = {}: smoothing would make every class a "
      "positive one; set loss.smoothing = 0, a larger loss.threshold, or loss.name = ce",
      loss.smoothing, loss.threshold);
}

// Whether a teacher's file is one is known when it is opened.
void check_distillation(const DistillationConfig& distillation) {
  if (distillation.type == DistillationType::none) return;
  if (distillation.teacher_weights.empty()) {
    throw refuse(
        "distillation.type = {} without distillation.teacher_weights: a teacher that has learned nothing has "
        "nothing to say; set distillation.teacher_weights, or distillation.type = none",
        distillation.type == DistillationType::hard ? "hard" : "soft");
  }
  const std::string& name = distillation.teacher_model;
  if (name.empty() || models::is_known_model(name)) return;
  std::vector<std::string> known = models::known_models();
  std::ranges::copy(models::model_aliases(), std::back_inserter(known));
  const std::string nearest = nearest_name(name, known);
  throw Error(ExitCode::usage,
              fmt::format("distillation.teacher_model: no model is called \"{}\"; {}", name,
                          nearest.empty() ? "`vitrail models` lists them" : "nearest: " + nearest));
}

void check_trace(const Config& config) {
  if (config.run.steps == 0 || config.log.trace_step <= config.run.steps) return;
  throw refuse("log.trace_step = {} with run.steps = {}: the run ends before that step; set an earlier one",
               config.log.trace_step, config.run.steps);
}

void check_average(const Config& config) {
  if (config.evaluation.weights == WeightsUsed::raw || has_average(config)) return;
  throw refuse(
      "evaluate.weights = ema with ema.decay = 0: the run keeps no average of its weights; set ema.decay");
}

// As the network itself would say it at the first step.
void check_view_size(const Config& config) {
  const models::ModelConfig& model = config.model;
  const std::int64_t size = config.dino.local_size;
  const auto smallest = models::smallest_view(model);
  if (size == model.image_size || (smallest && size >= *smallest)) return;
  const std::string given = fmt::format("dino.local_size = {} with model.name = {}", size, model.name);
  if (smallest) {
    throw refuse("{}: less than one patch of {} px; set dino.local_size = {} or more", given, *smallest,
                 *smallest);
  }
  throw refuse(
      "{} at {} px: it looks at images of one size alone; set dino.local_size = {}, or dino.local_views = 0",
      given, model.image_size, model.image_size);
}

// Names what a recipe that learns from labels would bring along unseen: settings without effect are refused
// where they are given, these are not.
void check_views(const Config& config) {
  if (!has_teacher(config)) return;
  if (config.data.train.starts_with("tensor:")) {
    throw refuse(
        "task.name = {} with data.train = {}: tensors are used as they are, so all views of an image would "
        "be one; give a data.train of images",
        find_setting("task.name")->get(config).value_or(""), config.data.train);
  }
  if (config.task.name != TaskName::dino) return;
  const DinoConfig& dino = config.dino;
  if (dino.local_views == 0) return;
  check_view_size(config);
  if (dino.local_min_area > dino.local_max_area) {
    throw refuse("dino.local_min_area = {} is above dino.local_max_area = {}; set a smaller one",
                 dino.local_min_area, dino.local_max_area);
  }
}

// Others have no embedding that neighbours could be looked for in.
void check_features(const Config& config) {
  if (!judged_by_neighbours(config) || config.evaluation.features != "projection") return;
  if (config.task.name == TaskName::grafit) return;
  throw refuse(
      "evaluate.features = projection with task.name = {}: only grafit learns an embedding; set "
      "evaluate.features = head",
      find_setting("task.name")->get(config).value_or(""));
}

void check_protocol(const Config& config) {
  if (learns_labels(config.task.name) || config.evaluation.protocol != Protocol::classifier) return;
  throw refuse(
      "evaluate.protocol = classifier with task.name = {}: it learns none; leave it out, and neighbours "
      "judge",
      find_setting("task.name")->get(config).value_or(""));
}

void check_probe(const Config& config) {
  if (config.task.name != TaskName::linear || config.finetune.train_only.empty()) return;
  throw refuse(
      "finetune.train_only = {} with task.name = linear: the classifier alone is trained; leave it out",
      config.finetune.train_only);
}

void check_clipping(const Config& config) {
  const sharding::OptimizerConfig& optimizer = config.optimizer;
  if (optimizer.clip_adaptive == 0 || optimizer.clip_tensor == 0) return;
  throw refuse(
      "optimizer.clip_adaptive = {} with optimizer.clip_tensor = {}: set one of them, each clips what the "
      "other has clipped",
      optimizer.clip_adaptive, optimizer.clip_tensor);
}

void check_best(const Config& config) {
  if (!judged_by_neighbours(config) || config.checkpoint.keep_best != BestBy::loss) return;
  throw refuse(
      "checkpoint.keep_best = loss with task.name = {} and evaluate.protocol = {}: neighbours judge, which "
      "have no loss; set checkpoint.keep_best = top1",
      find_setting("task.name")->get(config).value_or(""),
      find_setting("evaluate.protocol")->get(config).value_or(""));
}

}  // namespace

void validate(const Config& config) {
  check_lanes(config.run);
  check_batch_norm(config);
  check_length(config.run);
  check_batch(config);
  check_copies(config);
  check_mixing(config);
  check_loss(config);
  check_views(config);
  check_features(config);
  check_protocol(config);
  check_probe(config);
  check_best(config);
  check_clipping(config);
  trained_parameters(models::parameters_of(network_of(config)), config.finetune.train_only);
  check_distillation(config.distillation);
  check_average(config);
  check_trace(config);
}

void validate_evaluation(const Config& config) {
  check_lanes(config.run);
  check_protocol(config);
  if (config.evaluation.real_labels.empty() || config.data.classes.empty()) return;
  throw refuse(
      "evaluate.real_labels = {} with data.classes = {}: reassessed labels count all classes, in the order "
      "of "
      "the data set; leave one of them out",
      config.evaluation.real_labels, config.data.classes);
}

}  // namespace vitrail::trainer
