// Evaluation without training: the weights of a checkpoint, or of a safetensors file, on data.val.
// Throws: Error(bad_data) for weights that do not fit the model, naming tensors; as evaluate(); Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "sharding/comm/communicator.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/tasks/scores.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::trainer {

struct WeightsRequest {
  std::string checkpoint;  // as find_checkpoint takes; empty: model.weights
  // Told on rank 0 what computes, and what was changed to fit.
  std::function<void(const std::string&)> say;
  GpuPromise gpus = {};
};

struct Evaluated {
  Scores metrics;
  UsedRecord used;  // on rank 0
};

// By evaluate.protocol: by the model's own head, or by the features of data.train that are nearest.
Evaluated evaluate_weights(const Config& config, const WeightsRequest& request,
                           sharding::Communicator& communicator);

struct FeaturesWritten {
  std::int64_t images = 0, width = 0;
};

// A safetensors file with `features` [N,D], in the order of the source, and `labels` [N].
FeaturesWritten write_features(const Config& config, const WeightsRequest& request,
                               const std::filesystem::path& output, sharding::Communicator& communicator);

}  // namespace vitrail::trainer
