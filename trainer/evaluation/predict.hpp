// What a trained model says of images nobody has to have labelled: logits, in the order of the source. Ranks
// take batches in turn, and rank 0 tells and writes what one process would.
// Throws: Error(bad_data) for weights that cannot be read; Error(io); PeerFailure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/evaluation/likeliest.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::trainer {

struct PredictionRequest {
  std::string checkpoint;        // empty: config.model.weights
  std::filesystem::path output;  // safetensors with `logits` [N, K] in the type computed; empty: none
  std::int64_t top = 5;          // likeliest classes told of each image; ties go to the lower class
  // Told of each image in order: its name in the source and its likeliest classes. May be empty.
  std::function<void(const std::string& image, std::span<const Prediction> guesses)> take = {};
  // Told of each image that cannot be decoded, among the others, and why. Its logits are NaN.
  std::function<void(const std::string& image, const std::string& reason)> take_damaged = {};
  std::function<void(const std::string& text)> say = {};  // told what computes, and what was changed to fit
  GpuPromise gpus = {};
  std::function<void(const UsedRecord& used)> take_used = {};  // told once, before the first image
};

struct PredictionCount {
  std::int64_t images = 0, damaged = 0;  // of those
};

// Of config.data.val; what the request is told, it is told on rank 0. The count is every rank's.
PredictionCount predict(const Config& config, const PredictionRequest& request,
                        sharding::Communicator& communicator);

}  // namespace vitrail::trainer
