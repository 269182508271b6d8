// Where a trained model looks: for each image the maps of its class attention, beside the likeliest classes,
// in the order of the source. Throws: Error(refused) for a model without such maps; Error(bad_data) for
// weights that cannot be read; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/pixels/image.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/evaluation/attention_picture.hpp"
#include "trainer/evaluation/likeliest.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::trainer {

struct AttentionOfImage {
  std::string image;                  // its name in the source
  datasets::Image picture;            // what the model saw
  std::vector<Prediction> likeliest;  // those above a tenth, the first one in any case
  // The heads' mean, where there are several, and each head's; or those of the classes above, if the model
  // has one for each class.
  std::vector<AttentionMap> maps;
};

struct AttentionRequest {
  std::string checkpoint;        // empty: config.model.weights
  std::int64_t samples = 8;      // the first so many images
  std::filesystem::path output;  // safetensors with `attention` [N,M,G,G], M heads or classes; empty: none
  std::function<void(const std::string& text)> say;
  GpuPromise gpus = {};
  std::function<void()> begin = {};  // told once, when nothing but the images can be wrong any more
  std::function<void(const UsedRecord& used)> take_used = {};  // then
  std::function<void(const AttentionOfImage& image)> take;
  // Told of each image that cannot be decoded, among the others, and why. Its weights are NaN.
  std::function<void(const std::string& image, const std::string& reason)> take_damaged;
};

struct AttentionCount {
  std::int64_t images = 0, damaged = 0;  // of those
};

// Of config.data.val.
AttentionCount show_attention(const Config& config, const AttentionRequest& request);

}  // namespace vitrail::trainer
