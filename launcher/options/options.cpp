#include "launcher/options/options.hpp"

#include <bit>
#include <cmath>
#include <string_view>

#include "launcher/options/command_sets.hpp"
#include "launcher/options/option_checks.hpp"
#include "models/layers/activation_checkpointing.hpp"
#include "trainer/watch/fault_injection.hpp"

namespace vitrail::launcher {
namespace {

using namespace datasets;
using namespace models;
using namespace sharding;
using namespace trainer;

bool is_plain_name(const std::string& name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.front() != '.' && name.find_first_not_of(kLetters) == std::string::npos;
}

bool is_power_of_two(const std::int64_t& value) {
  return std::has_single_bit(static_cast<std::uint64_t>(value));
}

Condition with_lamb() {
  return {"optimizer.name", "optimizer.name = lamb",
          [](const CommandLine& line) { return line.config.optimizer.name == OptimizerName::lamb; }};
}

Condition with_sgd() {
  return {"optimizer.name", "optimizer.name = sgd",
          [](const CommandLine& line) { return line.config.optimizer.name == OptimizerName::sgd; }};
}

Condition with_moments() {
  return {"optimizer.name", "optimizer.name = adamw or lamb",
          [](const CommandLine& line) { return line.config.optimizer.name != OptimizerName::sgd; }};
}

Condition with_weights() {
  return {"model.weights", "model.weights or --checkpoint", [](const CommandLine& line) {
            return !line.config.model.weights.empty() || !line.flags.checkpoint.empty();
          }};
}

Condition with_fp16() {
  return {"precision.compute", "precision.compute = fp16",
          [](const CommandLine& line) { return line.config.precision.compute == Precision::fp16; }};
}

Condition with_halves() {
  return {"precision.compute", "precision.compute = fp16 or bf16", [](const CommandLine& line) {
            const Precision compute = line.config.precision.compute;
            return compute == Precision::fp16 || compute == Precision::bf16;
          }};
}

Condition with_average() {
  return {"ema.decay", "an ema.decay above 0",
          [](const CommandLine& line) { return line.config.ema.decay > 0; }};
}

// Numbers of a named model that may be other ones.
void add_model_overrides(std::vector<Option>& table) {
  const Section model(
      table, "model", kModelled, [](auto& line) -> auto& { return line.config.model; });
  const std::string own = "the named model's own";
  model.add("patch", &ModelConfig::patch,
            {.help = "side of a patch",
             .bounds = from_to(1, 256),
             .unit = "pixels",
             .absent = own,
             .commands = kModelled});
  model.add(
      "width", &ModelConfig::width,
      {.help = "channels of a token", .bounds = from_to(1, 65536), .absent = own, .commands = kModelled});
  model.add("depth", &ModelConfig::depth,
            {.help = "encoder blocks", .bounds = from_to(1, 1024), .absent = own, .commands = kModelled});
  model.add("heads", &ModelConfig::heads,
            {.help = "attention heads", .bounds = from_to(1, 1024), .absent = own, .commands = kModelled});
  model.add("parallel", &ModelConfig::parallel,
            {.help = "attention branches of a block side by side, then as many MLPs",
             .bounds = from_to(1, 16),
             .absent = own,
             .commands = kModelled});
  model.add("layer_scale", &ModelConfig::layer_scale,
            {.help = "first value of every branch's gain; 0: no such gain",
             .bounds = from_to(0, 10),
             .absent = own,
             .commands = kWeighted});
}

void add_optimizer_settings(std::vector<Option>& table) {
  const Section optimizer(
      table, "optimizer", kTraining, [](auto& line) -> auto& { return line.config.optimizer; });
  optimizer.choice(
      "name", &OptimizerConfig::name,
      {{OptimizerName::adamw, "adamw"}, {OptimizerName::lamb, "lamb"}, {OptimizerName::sgd, "sgd"}},
      {.help = "the update rule"});
  optimizer.add(
      "lr", &OptimizerConfig::lr,
      {.help = "learning rate at its highest, used as written unless schedule.scale_lr says otherwise",
       .bounds = above(0)});
  optimizer.add(
      "beta1", &OptimizerConfig::beta1,
      {.help = "decay of the mean of gradients", .bounds = from_below(0, 1), .when = {with_moments()}});
  optimizer.add("beta2", &OptimizerConfig::beta2,
                {.help = "decay of the mean of squared gradients",
                 .bounds = from_below(0, 1),
                 .when = {with_moments()}});
  optimizer.add("eps", &OptimizerConfig::eps,
                {.help = "added to the root of the mean square before dividing",
                 .bounds = at_least(1e-30),  // less is 0 in fp32, where a gradient of 0 gives 0 / 0
                 .when = {with_moments()}});
  optimizer.add("momentum", &OptimizerConfig::momentum,
                {.help = "share of the last step that the next one repeats",
                 .bounds = from_below(0, 1),
                 .when = {with_sgd()}});
  optimizer.add("nesterov", &OptimizerConfig::nesterov,
                {.help = "look ahead along the momentum", .when = {with_sgd()}});
  optimizer.add(
      "weight_decay", &OptimizerConfig::weight_decay,
      {.help = "of matrices; biases, gains, position and class tokens have none", .bounds = at_least(0)});
  optimizer.add("clip_norm", &OptimizerConfig::clip_norm,
                {.help = "largest norm of the whole gradient; 0: no clipping", .bounds = at_least(0)});
  optimizer.add("clip_value", &OptimizerConfig::clip_value,
                {.help = "largest absolute value of a gradient's element, before clip_norm; 0: no clipping",
                 .bounds = at_least(0)});
  optimizer.add("lamb_max_grad_norm", &OptimizerConfig::lamb_max_grad_norm,
                {.help = "LAMB's own clipping, after clip_norm; 0: none",
                 .bounds = at_least(0),
                 .when = {with_lamb()}});
  optimizer.add("lamb_trust_clip", &OptimizerConfig::lamb_trust_clip,
                {.help = "trust ratio at most 1", .when = {with_lamb()}});
  optimizer.add("lamb_always_adapt", &OptimizerConfig::lamb_always_adapt,
                {.help = "trust ratio also for what has no weight decay", .when = {with_lamb()}});
  optimizer.add("lamb_decoupled_decay", &OptimizerConfig::lamb_decoupled_decay,
                {.help = "decay the weight itself instead of adding to the update", .when = {with_lamb()}});
  optimizer.add("layer_decay", &OptimizerConfig::layer_decay,
                {.help = "learning rate of a layer over that of the next, down from the head's; 1: all alike",
                 .bounds = above_to(0, 1)});
}

void add_precision_settings(std::vector<Option>& table) {
  const Section precision(
      table, "precision", kAsking, [](auto& line) -> auto& { return line.config.precision; });
  precision.choice("compute", &PrecisionConfig::compute,
                   {{Precision::fp32, "fp32"},
                    {Precision::fp16, "fp16"},
                    {Precision::bf16, "bf16"},
                    {Precision::fp64, "fp64"}},
                   {.help = "type of matrices and activations; with fp16 and bf16, master weights, norms and "
                            "the loss stay fp32; fp64 is for comparisons",
                    .commands = kAsking});
  const Section loss_scale(
      table, "precision", kTraining, [](auto& line) -> auto& { return line.config.precision.loss_scale; });
  loss_scale.add("loss_scale", &LossScaleConfig::initial,
                 {.help = "initial loss scale, halved when a gradient overflows",
                  .bounds = from_to(1, 4294967296.0),
                  .when = {with_fp16()}},
                 {"a power of two",
                  [](const double& value) { return std::exp2(std::round(std::log2(value))) == value; }});
  loss_scale.add("loss_scale_window", &LossScaleConfig::window,
                 {.help = "steps without overflow after which it is doubled; 0: never",
                  .bounds = from_to(0, 1e9),
                  .unit = "steps",
                  .when = {with_fp16()}});
}

void add_sharding_settings(std::vector<Option>& table) {
  const Section sharding(
      table, "sharding", kTraining, [](auto& line) -> auto& { return line.config.sharding; });
  sharding.choice(
      "communicator", &ShardingConfig::communicator,
      {{CommunicatorKind::automatic, "auto"},
       {CommunicatorKind::mpi, "mpi"},
       {CommunicatorKind::nccl, "nccl"},
       {CommunicatorKind::local, "local"}},
      {.help = "library for communication between ranks; auto: nccl where each rank has a GPU of its own, "
               "else mpi; local: world size 1"});
  sharding.add(
      "stage", &ShardingConfig::stage,
      {.help =
           "what is sharded over ranks, as in ZeRO: 0 nothing, 1 optimizer state, 2 gradients as well (one "
           "micro-batch a rank); no result depends on it",
       .bounds = from_to(0, 2)},
      {.words = "", .holds = {}, .complaint = [](std::int64_t stage) -> std::string {
         return stage == 3 ? "weights are not sharded yet" : "";
       }});
  sharding.choice(
      "reduction", &ShardingConfig::reduction,
      {{Reduction::reproducible, "reproducible"}, {Reduction::fast, "fast"}},
      {.help = "sums of gradients: the same bits at any world size, or in the library's own order"});
  sharding.choice("sum_type", &ShardingConfig::sum_type,
                  {{SumType::fp32, "fp32"}, {SumType::compute, "compute"}},
                  {.help = "type in which matrices' gradients are accumulated and sent; compute: that of "
                           "precision.compute, half the bytes",
                   .when = {with_halves()}});
  sharding.add("bucket_mib", &ShardingConfig::bucket_mib,
               {.help = "gradients reduced in one call", .bounds = from_to(1, 4096), .unit = "MiB"});
  sharding.add("overlap", &ShardingConfig::overlap,
               {.help = "overlap communication with backward; no result depends on it"});
  sharding.add(
      "timeout", &ShardingConfig::timeout,
      {.help = "longest wait for other ranks in one call; then the run ends with exit status 86, up to 8 s "
               "later, which ranks spend waiting for each other's reports",
       .commands = kRunning},
      {"a time: 30s, 10min, 2h; 0s: no limit", is_time});
  sharding.add(
      "compare_every", &ShardingConfig::compare_every,
      {.help = "time between checks that all ranks hold the same weights; a rank with other weights is "
               "named; 0st: at the start only"},
      {"a length in epochs or steps: 5ep, 1000st", counts_images});
}

}  // namespace

void add_run_settings(std::vector<Option>& table) {
  const Section run(
      table, "run", kTraining, [](auto& line) -> auto& { return line.config.run; });
  run.add("name", &RunConfig::name, {.help = "name of the run", .placeholder = "NAME"},
          {"letters, digits, '.', '_' and '-' only", is_plain_name});
  run.add("dir", &RunConfig::dir,
          {.help = "folder of the run: configuration, metrics, log and checkpoints",
           .placeholder = "DIR",
           .absent = "runs/<run.name>"});
  run.add(
      "seed", &RunConfig::seed,
      {.help = "seed of every random draw: order, crops, mixing, initial weights", .commands = kAugmenting});
  run.add(
      "lanes", &RunConfig::lanes,
      {.help = "micro-batches per optimizer step, shared by the ranks (gradient accumulation); fixed for the "
               "run, and the upper limit of its world size",
       .bounds = from_to(1, 65536),
       .commands = kRunning},
      {"a power of two", is_power_of_two});
  run.add("epochs", &RunConfig::epochs,
          {.help = "length of the run, or else run.steps", .bounds = from_to(0, 1e6), .unit = "epochs"});
  run.add("steps", &RunConfig::steps,
          {.help = "length of the run, or else run.epochs", .bounds = from_to(0, 1e12), .unit = "steps"});
  run.add("threads", &RunConfig::threads,
          {.help = "compute threads of each rank; on a CPU the last bits of a result depend on it",
           .bounds = from_to(1, 1024),
           .unit = "threads",
           .commands = kAsking});
  run.add(
      "rehearsal", &RunConfig::memory_probe,
      {.help =
           "memory check: run the largest micro-batch once, forward and backward, before the first step"});
  run.add("stop_before", &RunConfig::stop_before,
          {.help = "safety margin before the Slurm job's time limit, added to one step and two checkpoint "
                   "writes, at which the run saves and stops; 0s disables"},
          {"a time: 30s, 10min, 2h", is_time});
  run.add(
      "fault", &RunConfig::fault,
      {.help = "fault injection: make a rank fail in a phase of a step; tests/faults/README.md has the words",
       .placeholder = "PHASE:RANK:STEP:KIND",
       .absent = "none"},
      {"as backward:1:12:kill",
       [](const std::string& text) { return text.empty() || parse_fault(text).has_value(); }});
  run.add("peak_tflops", &RunConfig::peak_tflops,
          {.help = "peak of one rank's device, of which mfu is a share; 0: unknown, no mfu",
           .bounds = from_to(0, 1e6),
           .unit = "TFLOP/s",
           .commands = kLoading});
  run.choice(
      "device", &RunConfig::device,
      {{trainer::Device::automatic, "auto"}, {trainer::Device::cpu, "cpu"}, {trainer::Device::cuda, "cuda"}},
      {.help = "where the model is computed; auto: on a GPU where there is one, or where Slurm or "
               "CUDA_VISIBLE_DEVICES promises one",
       .commands = kAsking});
}

void add_model_settings(std::vector<Option>& table) {
  const Section model(
      table, "model", kTraining, [](auto& line) -> auto& { return line.config.model; });
  model.add("name", &ModelConfig::name,
            {.help = "`vitrail models` lists them", .placeholder = "NAME", .commands = kNamed});
  model.add("image_size", &ModelConfig::image_size,
            {.help = "side of the square images that the model sees; timm's names bring their own",
             .bounds = from_to(8, 2048),
             .unit = "pixels",
             .commands = kPictured});
  model.add(
      "classes", &ModelConfig::classes,
      {.help = "outputs of the head", .bounds = from_to(1, 1e6), .unit = "classes", .commands = kModelled});
  add_model_overrides(table);
  model.add("drop_path", &ModelConfig::drop_path,
            {.help = "share of images for which a branch is left out",
             .bounds = from_below(0, 1),
             .commands = kPlanned});
  model.choice(
      "drop_path_law", &ModelConfig::drop_path_law,
      {{DropPathLaw::of_model, "own"}, {DropPathLaw::constant, "constant"}, {DropPathLaw::linear, "linear"}},
      {.help = "drop_path in every layer, or rising to it from 0 in the first; own: the named model's",
       .commands = kPlanned});
  model.add("activation_checkpointing", &ModelConfig::activation_checkpointing,
            {.help = "what backward computes a second time instead of keeping it: nothing, attention, every "
                     "block, or segments of K blocks; no result depends on it",
             .placeholder = "none|attention|block|every:K",
             .commands = kPlanned},
            {"none, attention, block or every:K",
             [](const std::string& text) { return read_activation_checkpointing(text).has_value(); }});
  model.add("weights", &ModelConfig::weights,
            {.help = "weights to start from: a safetensors file under timm's tensor names, or a checkpoint",
             .placeholder = "FILE|DIR",
             .absent = "random, by run.seed",
             .commands = kWeighted});
  model.choice("position_resize", &ModelConfig::position_resize,
               {{PositionResize::bicubic, "bicubic"}, {PositionResize::antialias, "antialias"}},
               {.help = "position embeddings of weights for another image size are interpolated as DeiT does "
                        "it, or with antialiasing as timm does",
                .when = {with_weights()},
                .commands = kWeighted});
}

void add_update_settings(std::vector<Option>& table) {
  add_optimizer_settings(table);

  const Section ema(
      table, "ema", kTraining, [](auto& line) -> auto& { return line.config.ema; });
  ema.add("decay", &EmaConfig::decay,
          {.help = "of an average of the weights, kept beside them; 0: none", .bounds = from_below(0, 1)});
  ema.add("warmup", &EmaConfig::warmup,
          {.help = "shorter memory at first: decay at most 1 - step^(-2/3)", .when = {with_average()}});
}

void add_upkeep_settings(std::vector<Option>& table) {
  add_precision_settings(table);
  add_sharding_settings(table);
  add_recovery_settings(table);
  add_evaluation_settings(table);

  const Section log(
      table, "log", kTraining, [](auto& line) -> auto& { return line.config.log; });
  log.add("every", &LogConfig::every, {.help = "time between lines on the console"});
  log.add(
      "trace_step", &LogConfig::trace_step,
      {.help = "step whose course on all ranks is written to trace-step-N.json in the run's folder (Chrome "
               "trace format); 0: none",
       .bounds = from_to(0, 1e12),
       .unit = "steps"});
}

}  // namespace vitrail::launcher
