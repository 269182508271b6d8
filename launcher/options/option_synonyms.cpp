#include "launcher/options/option_synonyms.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <span>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "trainer/base/text/nearest.hpp"

namespace vitrail::launcher {
namespace {

struct Synonym {
  std::string_view key;    // ours; empty: we have no such thing
  std::string_view words;  // theirs, between blanks
  std::string_view remark = {};
};

constexpr std::string_view kLanes =
    "gradients are accumulated over lanes: run.lanes is the number of micro-batches";
constexpr std::string_view kRanks = "ranks are started by vitrail launch -n RANKS";
constexpr std::string_view kMetrics =
    "metrics are in metrics.jsonl in the run's folder, a line a step; vitrail report RUN --format "
    "tensorboard "
    "--output FOLDER makes TensorBoard's files of them";

constexpr Synonym kSynonyms[] = {
    {"optimizer.lr", "learning_rate lr base_lr blr max_lr peak_lr init_lr lr_base"},
    {"optimizer.name", "opt optim optimizer optimiser"},
    {"optimizer.weight_decay", "weight_decay wd l2"},
    {"optimizer.beta1", "betas beta adam_beta1 opt_betas"},
    {"optimizer.eps", "epsilon opt_eps adam_epsilon"},
    {"optimizer.clip_norm",
     "clip_grad grad_clip gradient_clip gradient_clip_val max_grad_norm clip_grad_norm clip"},
    {"optimizer.clip_adaptive",
     "agc clip_mode adaptive_clip clip_agc adaptive_gradient_clipping clip_factor"},
    {"optimizer.layer_decay", "llrd layer_wise_lr_decay layerwise_decay layer_lr_decay"},
    {"schedule.name", "sched scheduler lr_scheduler lr_schedule lr_scheduler_type schedule"},
    {"schedule.warmup",
     "warmup warmup_epochs warmup_steps warmup_iters warmup_ratio num_warmup_steps warmup_updates",
     "a length with its unit: 5ep or 1000st"},
    {"schedule.warmup_lr", "warmup_start_lr warmup_init_lr start_lr warmup_lr_init"},
    {"schedule.min_lr", "eta_min lr_min end_lr final_lr lr_end"},
    {"schedule.decay_rate", "lr_decay gamma lr_gamma"},
    {"schedule.scale_lr", "unscale_lr auto_lr_scale lr_scale linear_scaling lr_base_scale"},
    {"data.global_batch_size",
     "batch_size batchsize batch bs train_batch_size batch_size_per_gpu per_device_train_batch_size "
     "global_batch "
     "total_batch_size micro_batch_size_total",
     "all images of a step, over all ranks"},
    {"evaluate.batch_size",
     "val_batch_size eval_batch_size test_batch_size validation_batch_size per_device_eval_batch_size"},
    {"run.lanes",
     "accumulation accumulate accum accum_iter accum_steps iter_size grad_accum grad_accum_steps update_freq "
     "gradient_accumulation gradient_accumulation_steps accumulate_grad_batches grad_accumulation "
     "micro_batches "
     "micro_batch micro_batch_size microbatch microbatches num_microbatches",
     kLanes},
    {"precision.compute",
     "amp fp16 bf16 half mixed_precision precision dtype amp_dtype use_amp native_amp autocast torch_dtype",
     "fp32, fp16 or bf16"},
    {"precision.loss_scale", "loss_scaling grad_scaler init_scale initial_scale_power"},
    {"data.workers",
     "workers num_workers j dataloader_num_workers loader_workers n_workers num_data_workers"},
    {"data.prefetch_steps", "prefetch prefetch_factor"},
    {"data.train",
     "data_path data_dir train_dir dataset_dir traindir data_root root train_data train dataset"},
    {"data.val", "val_dir valdir val_data validation val test_dir eval_data"},
    {"data.mean", "mean image_mean pixel_mean"},
    {"data.std", "std image_std pixel_std"},
    {"data.repeated_augmentation", "repeated_aug aug_repeats no_repeated_aug ra"},
    {"data.order", "shuffle"},
    {"run.epochs", "epochs num_epochs max_epochs n_epochs num_train_epochs epoch"},
    {"run.steps",
     "steps max_steps num_steps iterations max_iters iters num_iters total_steps train_steps updates"},
    {"run.seed", "seed random_seed manual_seed"},
    {"run.dir",
     "output_dir save_dir out_dir outdir log_dir logdir work_dir workdir output checkpoint_dir "
     "default_root_dir"},
    {"run.name", "experiment exp_name experiment_name run_name name job_name exp"},
    {"run.device", "device accelerator cuda gpu no_cuda"},
    {"run.threads", "threads num_threads omp_num_threads intra_op_threads"},
    {"model.name", "model arch architecture a model_name backbone"},
    {"model.classes", "num_classes nb_classes n_classes num_labels nclasses"},
    {"model.image_size", "img_size input_size image_size resolution crop_size imgsz size train_size"},
    {"model.patch", "patch_size"},
    {"model.width", "embed_dim hidden_size dim hidden_dim d_model"},
    {"model.depth", "num_layers num_hidden_layers n_layers layers num_blocks"},
    {"model.heads", "num_heads num_attention_heads n_heads"},
    {"model.layer_scale", "init_values layerscale layer_scale_init layer_scale_init_value"},
    {"model.weights",
     "pretrained initial_checkpoint finetune init_checkpoint checkpoint_path weights init_weights "
     "model_path pretrained_weights load_from init_from"},
    {"model.drop_path", "drop_path drop_path_rate stochastic_depth stochastic_depth_rate droppath path_drop"},
    {"model.drop_path",
     "dropout drop drop_rate attn_drop attn_drop_rate hidden_dropout_prob attention_dropout",
     "there is no dropout of single values"},
    {"model.activation_checkpointing",
     "gradient_checkpointing grad_checkpointing use_checkpoint activation_checkpoint checkpoint_activations "
     "remat recompute"},
    {"ema.decay", "ema model_ema ema_decay model_ema_decay use_ema"},
    {"ema.warmup", "model_ema_warmup ema_warmup"},
    {"loss.smoothing", "smoothing label_smoothing label_smoothing_factor"},
    {"loss.name", "loss criterion bce bce_loss"},
    {"loss.threshold", "bce_target_thresh"},
    {"augment.mixup", "mixup mixup_alpha"},
    {"augment.cutmix", "cutmix cutmix_alpha"},
    {"augment.mix_probability", "mixup_prob"},
    {"augment.switch_probability", "mixup_switch_prob"},
    {"augment.mix_mode", "mixup_mode"},
    {"augment.autoaugment", "auto_augment autoaugment aa_policy"},
    {"augment.trivial_augment", "ta ta_wide trivialaugment trivial_augment_wide"},
    {"augment.randaugment", "aa rand_augment randaug"},
    {"augment.three_augment", "threeaugment 3augment 3_augment three_aug"},
    {"augment.color_jitter", "colour_jitter jitter color_jitter colorjitter"},
    {"augment.random_erasing", "reprob random_erase erasing random_erasing_prob"},
    {"augment.random_erasing_mode", "remode"},
    {"augment.random_erasing_count", "recount"},
    {"augment.flip", "hflip horizontal_flip random_flip"},
    {"augment.crop_min_area", "scale rrc_scale min_scale"},
    {"augment.crop", "src rrc simple_random_crop"},
    {"evaluate.crop_ratio", "crop_pct eval_crop_ratio crop_ratio test_crop_ratio"},
    {"evaluate.every",
     "eval_every eval_interval val_interval eval_freq evaluation_strategy eval_steps val_check_interval "
     "check_val_every_n_epoch"},
    {"checkpoint.resume", "resume resume_from resume_from_checkpoint auto_resume ckpt_path"},
    {"checkpoint.every",
     "save_every save_interval save_freq save_steps checkpoint_interval ckpt_interval checkpoint_every"},
    {"checkpoint.keep_last", "save_total_limit checkpoint_hist keep max_to_keep save_top_k"},
    {"distillation.type", "distillation distillation_type distill"},
    {"distillation.teacher_model", "teacher teacher_name"},
    {"distillation.teacher_weights", "teacher_path teacher_checkpoint"},
    {"distillation.alpha", "distillation_alpha"},
    {"distillation.tau", "temperature distillation_tau"},
    {"task.name", "task objective method pretext"},
    {"mae.masked", "mask_ratio masking_ratio"},
    {"mae.normalised", "norm_pix_loss norm_pix"},
    {"mae.depth", "decoder_depth"},
    {"mae.width", "decoder_embed_dim decoder_width"},
    {"mae.heads", "decoder_num_heads"},
    {"model.pooling", "global_pool cls_token pool_type"},
    {"grafit.temperature", "nce_t sigma"},
    {"grafit.memory_momentum", "memory_m nce_m"},
    {"grafit.outputs", "low_dim embedding_dim embed_dim"},
    {"grafit.linear", "projector"},
    {"linear.features", "n_last_blocks avgpool_patchtokens"},
    {"data.coarse", "coarse superclasses coarse_labels"},
    {"evaluate.retrieval", "map mean_average_precision"},
    {"evaluate.neighbours", "nb_knn knn_k"},
    {"dino.outputs", "out_dim prototypes n_prototypes"},
    {"dino.batch_norm", "use_bn_in_head"},
    {"dino.momentum", "momentum_teacher"},
    {"dino.teacher_temperature", "teacher_temp"},
    {"dino.student_temperature", "student_temp"},
    {"dino.warmup_temperature", "warmup_teacher_temp"},
    {"dino.temperature_warmup", "warmup_teacher_temp_epochs"},
    {"dino.centre_momentum", "center_momentum"},
    {"dino.local_views", "local_crops_number"},
    {"dino.global_min_area", "global_crops_scale"},
    {"dino.local_max_area", "local_crops_scale"},
    {"optimizer.clip_tensor", "clip_grad_per_tensor"},
    {"finetune.train_only", "attn_only freeze freeze_backbone trainable"},
    {"sharding.stage", "zero zero_stage fsdp deepspeed zero_optimization sharding"},
    {"sharding.communicator", "backend dist_backend ddp_backend"},
    {"sharding.bucket_mib", "bucket_cap_mb bucket_size"},
    {"sharding.timeout", "ddp_timeout dist_timeout nccl_timeout"},
    {"log.every", "log_interval print_freq logging_steps log_every log_freq log_every_n_steps"},
    {"log.trace_step", "profile profiler trace"},
    {"log.trace_operators", "kernels kineto"},
    {"ranks", "np nproc nproc_per_node ntasks num_processes world_size gpus num_gpus devices ngpus"},
    {"nodes", "nnodes num_nodes n_nodes num_machines"},
    {"", "wandb use_wandb wandb_project log_wandb tensorboard report_to logger mlflow neptune comet",
     kMetrics},
    {"", "compile torch_compile torchcompile jit channels_last",
     "models are computed as they are, without a compiler"},
    {"", "pin_mem pin_memory persistent_workers", "batches are made in memory that a GPU reads, by threads"},
    {"", "ddp distributed use_ddp local_rank rank dist_url master_addr master_port init_method dist_eval",
     "ranks find each other by MPI: vitrail launch -n RANKS starts them"},
};

constexpr Synonym kSections[] = {
    // that others use for a part of ours
    {"evaluate", "eval evaluation val validation test"},
    {"optimizer", "optim opt optimiser"},
    {"schedule", "sched scheduler lr_scheduler lr_schedule"},
    {"augment", "aug augmentation transform transforms"},
    {"checkpoint", "ckpt checkpoints checkpointing"},
    {"run", "train training trainer experiment general"},
    {"data", "dataset dataloader loader datasets"},
    {"distillation", "distill teacher"},
    {"model", "net network arch"},
    {"log", "logging logger"},
    {"sharding", "dist distributed ddp parallel"},
};

constexpr Synonym kCommands[] = {
    {"eval", "evaluate evaluation validate test score accuracy"},
    {"predict", "infer inference classify prediction"},
    {"train", "fit pretrain finetune fine-tune fine_tune training"},
    {"launch", "run start torchrun mpirun srun resume continue restart"},
    {"submit", "sbatch slurm queue job enqueue"},
    {"sweep", "hpo grid search tune"},
    {"watch", "status monitor progress tail top"},
    {"report", "tensorboard wandb plot curves dashboard"},
    {"bench", "benchmark profile"},
    {"plan", "estimate"},
    {"info", "inspect show describe stat"},
    {"verify", "check fsck"},
    {"models", "list-models list_models zoo"},
    {"pack", "prepare preprocess dataset"},
};

std::string simplified(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::tolower(c)); });
  return text;
}

// One letter beside a word of at least five.
bool is_nearly(std::string_view words, const std::string& word) {
  constexpr std::size_t kLongEnough = 5;
  std::istringstream theirs{std::string(words)};
  for (std::string other; std::getline(theirs, other, ' ');) {
    if (word.size() >= kLongEnough && edit_distance(word, other) <= 1) return true;
  }
  return false;
}

const Synonym* find(std::span<const Synonym> table, const std::string& word) {
  const auto names = [&](const Synonym& row) {
    return !word.empty() &&
           fmt::format(" {} ", row.words).find(fmt::format(" {} ", word)) != std::string::npos;
  };
  const auto row = std::ranges::find_if(table, names);
  return row == table.end() ? nullptr : &*row;
}

bool contains(const std::vector<std::string>& known, std::string_view key) {
  return std::ranges::find(known, key) != known.end();
}

// Known keys of that name in other sections.
std::vector<std::string> namesakes(const std::string& name, const std::vector<std::string>& known) {
  std::vector<std::string> found;
  for (const std::string& key : known) {
    if (key.ends_with("." + name)) found.push_back(key);
  }
  return found;
}

std::string hint_of(std::string_view key, std::string_view remark) {
  std::string hint = key.empty() ? "" : fmt::format("; nearest known key: {}", key);
  if (!remark.empty()) hint += fmt::format("{}{}", key.empty() ? "; " : ": ", remark);
  return hint;
}

}  // namespace

std::string synonym_hint(const std::string& written, const std::vector<std::string>& known) {
  const Synonym* const ours = find(kSynonyms, simplified(written));
  if (ours == nullptr) return "";
  if (ours->key.empty() || contains(known, ours->key)) return hint_of(ours->key, ours->remark);
  return ours->key == "ranks" && contains(known, "run.lanes") ? hint_of("", kRanks) : "";
}

// First what says most of what was meant: one wrong letter, the section under another name, the field's word
// for the setting, the same name in another section; then what is spelt like any of these.
std::string key_hint(const std::string& written, const std::vector<std::string>& known) {
  const std::string word = simplified(written);
  if (contains(known, word)) return hint_of(word, "");
  const auto mistyped = [&](const std::string& key) { return edit_distance(word, key) == 1; };
  if (const auto key = std::ranges::find_if(known, mistyped); key != known.end()) return hint_of(*key, "");
  const std::size_t dot = word.rfind('.');
  const std::string section = dot == std::string::npos ? "" : word.substr(0, dot);
  const std::string name = dot == std::string::npos ? word : word.substr(dot + 1);
  if (const Synonym* const ours = find(kSections, section)) {
    if (const std::string key = fmt::format("{}.{}", ours->key, name); contains(known, key))
      return hint_of(key, "");
  }
  if (const std::string hint = synonym_hint(name, known); !hint.empty()) return hint;
  if (const auto same = namesakes(name, known); !same.empty()) {
    const std::string key = same.size() == 1 ? same.front() : nearest_name(word, same);
    return hint_of(key.empty() ? same.front() : key, "");
  }
  const auto nearly = [&](const Synonym& row) {
    return (row.key.empty() || contains(known, row.key)) && is_nearly(row.words, name);
  };
  const std::string nearest = nearest_name(word, known);
  const auto* const row = std::ranges::find_if(kSynonyms, nearly);
  if (nearest.empty() && row != std::end(kSynonyms)) return hint_of(row->key, row->remark);
  for (const char* part : {"accum", "micro_batch", "microbatch"}) {
    if (name.find(part) != std::string::npos && contains(known, "run.lanes"))
      return hint_of("run.lanes", kLanes);
  }
  return hint_of(nearest, "");
}

std::vector<std::string> keys_with_synonyms() {
  std::vector<std::string> keys;
  for (const Synonym& row : kSynonyms) {
    if (!row.key.empty()) keys.emplace_back(row.key);
  }
  return keys;
}

std::string meant_command(const std::string& written, const std::vector<std::string>& known) {
  const std::string word = simplified(written);
  const Synonym* const ours = find(kCommands, word);
  if (ours != nullptr && contains(known, ours->key)) return std::string(ours->key);
  return nearest_name(word, known);
}

}  // namespace vitrail::launcher
