// Settings of sharding and of the update; bound to keys in trainer/settings/sections.
#pragma once

#include <cstdint>

#include "trainer/base/text/duration.hpp"

namespace vitrail::sharding {

enum class CommunicatorKind { automatic, mpi, nccl, local };
enum class Reduction { reproducible, fast };
enum class SumType { fp32, compute };
enum class ExchangeChoice { automatic, direct, two_level, halving };

struct ShardingConfig {
  std::int64_t stage = 1;  // sharded: 0 nothing, 1 optimizer state, 2 gradients as well
  Reduction reduction = Reduction::reproducible;        // fast: the bits depend on the number of ranks
  SumType sum_type = SumType::fp32;                     // of gradients, in memory and on the wire
  ExchangeChoice exchange = ExchangeChoice::automatic;  // how sums and weights travel; no bit depends on it
  CommunicatorKind communicator = CommunicatorKind::automatic;
  std::int64_t bucket_mib = 0;  // size of a bucket of matrices; 0: by the lanes, trainer/sharding_plan.hpp
  bool overlap = true;          // exchanges on a thread of their own, under computation
  Duration timeout{10 * 60, Duration::Unit::seconds};   // longest wait in one call; 0: no limit
  Duration compare_every{1000, Duration::Unit::steps};  // of the weights of all ranks
};

enum class OptimizerName { adamw, lamb, sgd };

struct OptimizerConfig {
  OptimizerName name = OptimizerName::lamb;
  double lr = 3e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double momentum = 0.9;  // sgd
  bool nesterov = true;   // sgd: looks ahead along the momentum
  double weight_decay = 0.02;
  bool decay_tokens = false;          // positions and class tokens decay, too
  double layer_decay = 1.0;           // learning rate of a layer over that of the next one
  double clip_norm = 0.0;             // global norm; 0: off
  double clip_value = 0.0;            // every element of the gradient, before any other clipping; 0: off
  double clip_adaptive = 0.0;         // norm of each unit's gradient over that of its weights; 0: off
  bool clip_adaptive_head = true;     // the classifier's as well
  double clip_tensor = 0.0;           // norm of each tensor's gradient, behind those; 0: off
  double lamb_max_grad_norm = 1.0;    // LAMB's own clip, on the gradients after clip_norm; 0: off
  bool lamb_trust_clip = false;       // trust ratio at most 1
  bool lamb_always_adapt = false;     // trust ratio also where there is no weight decay
  bool lamb_decoupled_decay = false;  // decay applied to the weight, not added to the update
};

// Of an fp16 run; others keep the scale 1.
struct LossScaleConfig {
  double initial = 65536;      // a power of two, so that scaling rounds nothing
  std::int64_t window = 2000;  // good steps before the scale is doubled; 0: never
};

struct EmaConfig {
  double decay = 0.0;  // of the average of the weights; 0: no average
  bool warmup = true;  // shorter memory at first: decay rises as 1 - t^(-2/3)
};

}  // namespace vitrail::sharding
