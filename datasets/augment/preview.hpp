// What training will see: the first samples of a source, each drawn several times (epoch 0, 1, ...), mixed as
// one lane batch a draw (step = draw, lane 0). As pixels, as a picture of pictures, and as every number that
// was drawn. Throws: Error(refused) for ready tensors and odd batches; Error(bad_data) naming the sample.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/augment/augmentation.hpp"
#include "datasets/augment/mixing.hpp"
#include "datasets/dataset.hpp"

namespace vitrail::datasets {

struct PreviewPlan {
  AugmentConfig augment;
  std::uint64_t seed = 0;
  std::int64_t image_size = 224;
  std::int64_t samples = 8, draws = 8;
  Normalisation normalisation = {};
};

struct Preview {
  struct Sample {
    std::string name;
    int width = 0, height = 0;
    std::string class_name = {};  // empty where images have no labels
  };
  struct Draw {
    std::vector<DrawnAugmentation> samples;
    std::vector<Mix> mixes;     // empty without mixing
    std::vector<float> images;  // [samples, 3, S, S]
  };

  PreviewPlan plan;
  std::vector<Sample> samples;
  std::vector<Draw> draws;
};

Preview make_preview(const Dataset& dataset, PreviewPlan plan);

// A row for each sample, a column for each draw; below each picture its class (with mixing: both and their
// shares) or the image's name, and what was drawn.
Image grid_of(const Preview& preview);
std::string to_json(const Preview& preview);  // all but the pixels
std::string to_text(const Preview& preview);  // the same numbers for people: a line for each picture

// The grid as .jpg or .png, else a safetensors file with `images` [draws, samples, 3, S, S], normalised.
void write_preview(const Preview& preview, const std::filesystem::path& path);

}  // namespace vitrail::datasets
