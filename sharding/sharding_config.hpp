// Settings of sharding and of the update; bound to keys in launcher/options.cpp.
#pragma once

#include <cstdint>

namespace vitrail::sharding {

enum class CommunicatorKind { automatic, mpi, local };

struct ShardingConfig {
  CommunicatorKind communicator = CommunicatorKind::automatic;
  std::int64_t bucket_mib = 32;  // size of a bucket of matrices
};

enum class OptimizerName { adamw, lamb };

struct OptimizerConfig {
  OptimizerName name = OptimizerName::lamb;
  double lr = 3e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.02;
  double clip_norm = 0.0;           // global norm; 0: off
  double lamb_max_grad_norm = 1.0;  // LAMB's own clip, on the gradients after clip_norm; 0: off
};

struct EmaConfig {
  double decay = 0.0;  // of the average of the weights; 0: no average
  bool warmup = true;  // shorter memory at first: decay rises as 1 - t^(-2/3)
};

}  // namespace vitrail::sharding
