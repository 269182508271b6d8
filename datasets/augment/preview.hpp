// What training will see: the first samples of a source, each drawn several times (epoch 0, 1, ...) in all
// the views that its task takes, mixed as one lane batch a draw (step = draw, lane 0). As pixels, as a
// picture of pictures, and as every number that was drawn. Throws: Error(refused) for ready tensors and odd
// batches; Error(bad_data) naming the sample.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/augment/augmentation.hpp"
#include "datasets/augment/mixing.hpp"
#include "datasets/dataset.hpp"

namespace vitrail::datasets {

// Only some patches of an image are seen, row by row from the upper left.
struct PatchPlan {
  std::int64_t side = 0;     // pixels
  std::int64_t patches = 0;  // of an image
  std::int64_t seen = 0;     // of those
  // Which, in a draw of so many images: ascending, image after image.
  std::function<std::vector<std::int64_t>(std::uint64_t draw, std::int64_t images)> draw = {};
};

struct PreviewPlan {
  std::vector<ViewPlan> views = {{}};  // of every sample
  std::uint64_t seed = 0;
  std::int64_t samples = 8, draws = 8;
  Normalisation normalisation = {};
  PatchPlan masked = {};  // without side: all of an image is seen
};

struct Preview {
  struct Sample {
    std::string name;
    int width = 0, height = 0;
    std::string class_name = {};  // empty where images have no labels
  };
  // One view in one epoch.
  struct Draw {
    std::size_t epoch = 0, view = 0;
    std::vector<DrawnAugmentation> samples;
    std::vector<Mix> mixes;          // empty without mixing
    std::vector<float> images;       // [samples, 3, S, S]
    std::vector<std::int64_t> seen;  // patches, image after image; empty: all
  };

  PreviewPlan plan;
  std::vector<Sample> samples;
  std::vector<Draw> draws;  // epoch after epoch, the views of each in their order

  const ViewPlan& view_of(const Draw& draw) const { return plan.views[draw.view]; }
};

Preview make_preview(const Dataset& dataset, PreviewPlan plan);

// A row for each sample, a column for each draw and view; below each picture its class (with mixing: both and
// their shares) or the image's name, which view it is where there are several, and what was drawn. Patches
// that are not seen are greyed.
Image grid_of(const Preview& preview);
std::string to_json(const Preview& preview);  // all but the pixels
std::string to_text(const Preview& preview);  // the same numbers for people: a line for each picture

// The grid as .jpg or .png, else a safetensors file, normalised: `images` [draws, samples, 3, S, S], or one
// called so for each of several views; with masked patches `seen` [draws, samples, patches seen].
void write_preview(const Preview& preview, const std::filesystem::path& path);

}  // namespace vitrail::datasets
