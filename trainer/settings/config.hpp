// All settings of a run in one value: each owner's struct, and the trainer's own.
// Their keys, bounds and meaning: sections/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "datasets/data_config.hpp"
#include "models/model_config.hpp"
#include "sharding/sharding_config.hpp"
#include "trainer/base/text/duration.hpp"
#include "trainer/settings/log_config.hpp"

namespace vitrail::trainer {

enum class Device { automatic, cpu, cuda };
enum class Precision { fp32, fp16, bf16, fp64 };
inline bool is_half(Precision type) { return type == Precision::fp16 || type == Precision::bf16; }
enum class ScheduleName { cosine, linear, step, constant };
enum class EpochStepping { off, timm, deit };
enum class LrScaling { off, linear, sqrt };
enum class TaskName { classification, dino, mae, grafit, linear };
enum class LossName { ce, bce };
enum class DistillationType { none, hard, soft };
enum class WeightsUsed { raw, ema };
enum class HeadStart { fresh, by_name };
enum class Protocol { of_task, classifier, knn };
enum class BestBy { none, top1, loss };

struct RunConfig {
  std::string name = "default";
  std::string dir;  // empty: runs/<name>
  std::uint64_t seed = 0;
  std::int64_t lanes = 1;
  std::int64_t epochs = 0;  // one of epochs and steps is given
  std::int64_t steps = 0;
  std::int64_t threads = 1;  // compute threads per rank; part of a run's identity on a CPU
  Device device = Device::automatic;
  bool memory_probe = true;                           // the largest lane batch once before the first step
  double peak_tflops = 0;                             // of one rank's device, for mfu; 0: unknown
  Duration stop_before{60, Duration::Unit::seconds};  // the end of the job's time limit; 0: pay no heed
  std::string fault;                                  // a fault to inject (fault_injection.hpp); empty: none
};

struct TaskConfig {
  TaskName name = TaskName::classification;
};

// Self-distillation without labels (Caron et al. 2021); its code's defaults.
struct DinoConfig {
  std::int64_t local_views = 8;  // of a sample, beside the two global ones
  std::int64_t local_size = 96;
  double global_min_area = 0.4;                        // of an image, as the next two
  double local_min_area = 0.05, local_max_area = 0.4;  //
  models::ProjectionConfig head;
  double student_temperature = 0.1;
  double teacher_temperature = 0.04;
  double warmup_temperature = 0.04;     // the teacher's at first
  std::int64_t temperature_warmup = 0;  // epochs from there
  double momentum = 0.996;              // of the teacher, at first; it rises to 1
  double centre_momentum = 0.9;
  std::int64_t freeze_last_layer = 1;  // epochs
};

// Masked autoencoding (He et al. 2022); its code's defaults.
struct MaeConfig {
  models::ReconstructionConfig head;
  bool normalised = true;  // pixels of a patch, by its mean and deviation
};

// Embeddings finer than the labels that they learn from (Touvron et al. 2021). What the paper leaves open is
// as BYOL (momentum, predictor) or SNCA's code (renormalised) has it.
struct GrafitConfig {
  std::int64_t views = 4;            // of a sample, for its loss of instances; its neighbours see one more
  double instance_weight = 1;        // of that loss; 0: neighbours alone, as SNCA
  double temperature = 0.05;         // of the neighbours
  double memory_momentum = 0.5;      // share of its own that a remembered embedding keeps when it is seen
  bool memory_renormalised = false;  // then it is brought to length 1
  double momentum = 0.996;           // of the target's weights, at first; it rises to 1
  models::EmbeddingConfig head;
};

struct LossConfig {
  LossName name = LossName::ce;
  double smoothing = 0.0;
  double threshold = 0.0;  // bce: a target above it is 1, any other 0
};

// What a run that begins with somebody's weights (model.weights) makes of them.
struct FinetuneConfig {
  WeightsUsed weights = WeightsUsed::raw;  // of a checkpoint
  HeadStart head = HeadStart::fresh;       // by_name: rows of classes that both data sets have
  std::string train_only;                  // patterns of parameter names; empty: all are trained
};

struct DistillationConfig {
  DistillationType type = DistillationType::none;
  std::string teacher_model;                       // empty: the checkpoint's own
  std::string teacher_weights;                     // safetensors file or checkpoint
  std::optional<std::int64_t> teacher_image_size;  // absent: model.image_size
  double alpha = 0.5;                              // share of the teacher in the loss
  double tau = 1.0;                                // soft: temperature
};

struct ScheduleConfig {
  ScheduleName name = ScheduleName::cosine;
  Duration warmup{0, Duration::Unit::steps};
  double warmup_lr = 1e-6;
  bool warmup_to_peak = false;  // its last step has the peak, not the one after it
  bool warmup_prefix = false;   // the decay begins after the warm-up
  double min_lr = 1e-5;
  Duration decay_every{30, Duration::Unit::epochs};  // step
  double decay_rate = 0.1;                           // step
  EpochStepping per_epoch = EpochStepping::off;
  LrScaling scale_lr = LrScaling::off;
  std::int64_t base_batch = 512;           // images, at which optimizer.lr is meant as written
  std::optional<double> weight_decay_end;  // absent: optimizer.weight_decay all the time
  std::optional<double> drop_path_start;   // absent: model.drop_path all the time
};

struct PrecisionConfig {
  Precision compute = Precision::fp32;
  sharding::LossScaleConfig loss_scale;
};

struct CheckpointConfig {
  Duration every{10 * 60, Duration::Unit::seconds};
  std::int64_t keep_last = 2;
  Duration keep_every{0, Duration::Unit::steps};  // kept for good; 0: none
  BestBy keep_best = BestBy::none;                // by evaluations
  Duration retry{60, Duration::Unit::seconds};    // after one that could not be written
  std::string resume = "auto";                    // auto, never, or a checkpoint folder
};

// Rolling back to a checkpoint where the loss diverges.
struct GuardConfig {
  double loss_factor = 0;     // times the median of the last steps; 0: off
  std::int64_t patience = 3;  // bad steps one after another
  std::int64_t skip = 0;      // batches left out beyond those since the checkpoint
};

// The longest that a rank may stay in one phase, and how much slower than others it may be.
struct WatchdogConfig {
  Duration step{50, Duration::Unit::seconds};        // or ten times the median step; 0: no limit
  Duration other{30 * 60, Duration::Unit::seconds};  // start, load, save, evaluate; 0: no limit
  double slow = 1.3;                                 // times the other ranks' median; 0: not looked at
};

struct EvaluationConfig {
  Duration every{1, Duration::Unit::epochs};
  double crop_ratio = 1.0;
  bool flip = false;  // logits averaged over an image and its mirror
  datasets::EvaluationCrops crops = datasets::EvaluationCrops::centre;  // likewise over these
  std::int64_t batch_size = 256;  // images of one lane in one forward pass
  WeightsUsed weights = WeightsUsed::raw;
  std::string real_labels;  // file of several labels an image; empty: none
  bool per_class = false;   // accuracy of each class as well
  Protocol protocol = Protocol::of_task;
  std::string known;              // knn: images whose labels vote; empty: data.train of the checkpoint
  std::int64_t neighbours = 20;   // of knn
  double temperature = 0.07;      // of their votes
  bool cross_validated = false;   // k is chosen by the known images
  bool retrieval = false;         // mAP as well
  std::string features = "head";  // models::read_feature_choice
};

struct Config {
  RunConfig run;
  TaskConfig task;
  datasets::DataConfig data;
  datasets::AugmentConfig augment;
  models::ModelConfig model;
  FinetuneConfig finetune;
  DinoConfig dino;
  MaeConfig mae;
  GrafitConfig grafit;
  models::ProbeConfig linear;  // of a classifier on a body that does not learn
  LossConfig loss;
  DistillationConfig distillation;
  sharding::OptimizerConfig optimizer;
  sharding::EmaConfig ema;
  ScheduleConfig schedule;
  PrecisionConfig precision;
  sharding::ShardingConfig sharding;
  CheckpointConfig checkpoint;
  GuardConfig guard;
  WatchdogConfig watchdog;
  EvaluationConfig evaluation;
  LogConfig log;

  // What ranks share out and add up: lanes, or groups of them that are computed as one batch.
  std::int64_t lane_groups() const { return run.lanes / model.batch_norm_lanes; }
};

}  // namespace vitrail::trainer
