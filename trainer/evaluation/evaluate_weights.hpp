// Evaluation without training: the weights of a checkpoint, or of a safetensors file, on data.val.
// Throws: Error(bad_data) for weights that do not fit the model, naming tensors; as evaluate().
#pragma once

#include <functional>
#include <string>

#include "sharding/comm/communicator.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/metrics.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::trainer {

struct Evaluated {
  EvaluationMetrics metrics;
  UsedRecord used;  // on rank 0
};

// `checkpoint`: a path that find_checkpoint takes; empty: config.model.weights. `say` is told what computes,
// and what was changed to fit.
Evaluated evaluate_weights(const Config& config, const std::string& checkpoint,
                           sharding::Communicator& communicator,
                           const std::function<void(const std::string&)>& say,
                           const GpuPromise& promise = {});

}  // namespace vitrail::trainer
