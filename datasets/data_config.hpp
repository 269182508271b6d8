// Settings of the data path; the option table in trainer/settings/sections binds keys, bounds and help to
// these fields.
#pragma once

#include <cstdint>
#include <string>

#include "datasets/open_options.hpp"
#include "trainer/base/normalisation.hpp"

namespace vitrail::datasets {

enum class Order { shuffled, window, sequential };

struct DataConfig {
  std::string train;  // a source that dataset.hpp knows
  std::string val;
  std::string classes;    // file that lists the classes to keep; empty: all
  std::string labels;     // file of images and labels that replaces those of train; empty: its own
  SubsetOptions subset;   // of train
  std::string coarse;     // file of coarser classes; empty: none
  std::string stage_dir;  // folder on the node's own disk for copies of the training pack; empty: none
  std::int64_t global_batch_size = 256;  // images per step, over all lanes
  Order order = Order::shuffled;
  std::int64_t extent_images = 128;        // window: consecutive images that are read at once
  std::int64_t window_extents = 8;         // window: extents whose images a lane mixes
  std::int64_t repeated_augmentation = 1;  // copies of an image in an epoch, each in another lane
  std::int64_t workers = 1;                // decode threads per rank
  std::int64_t prefetch_steps = 2;         // steps decoded ahead
  Normalisation normalisation;             // what a model takes, of everything that is no ready tensor
};

// Training data as the settings cut them, not staged.
inline OpenOptions training_data(const DataConfig& data) {
  return {.given_as = "data.train =",
          .classes = data.classes,
          .labels = data.labels,
          .subset = data.subset,
          .coarse = data.coarse};
}

enum class Crop { rrc, src, none, pad };
enum class EvaluationCrops { centre, five };  // five: the corners, then the centre
enum class ErasingMode { constant, colour, noise };
enum class MixMode { batch, pair, element };

// What self-supervised learning does to the colours of a view, each at random, in this order.
struct ColourDistortion {
  double jitter = 0;                                             // share of views whose colours move
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;  // by factors within 1 +- this; hue: turns
  double grey = 0, blur = 0, solarize = 0;                       // shares of views

  bool operator==(const ColourDistortion&) const = default;
};

struct AugmentConfig {
  Crop crop = Crop::rrc;
  double crop_min_area = 0.08;  // rrc: smallest share of the image's area
  double crop_max_area = 1;     // rrc: largest
  bool flip = true;
  bool dct_scaling = false;  // decode large JPEGs at a half, a quarter or an eighth: other pixels
  bool three_augment = false;
  std::string randaugment;  // as timm writes it; empty: none
  std::string autoaugment;  // as timm writes it; empty: none
  bool trivial_augment = false;
  double color_jitter = 0.0;    // brightness, contrast and saturation: factors within 1 +- this
  ColourDistortion distortion;  // of views that a task makes
  double random_erasing = 0.0;  // share of images
  ErasingMode random_erasing_mode = ErasingMode::noise;
  std::int64_t random_erasing_count = 1;  // boxes at most
  double mixup = 0.0;                     // alpha of the Beta law; 0: off
  double cutmix = 0.0;                    // alpha of the Beta law; 0: off
  double mix_probability = 1.0;           // of mixing at all
  double switch_probability = 0.5;        // of CutMix where both are on
  MixMode mix_mode = MixMode::batch;
};

// One of the pictures that training sees of a sample.
struct ViewPlan {
  AugmentConfig augment;
  std::int64_t image_size = 224;
  std::string name = {};  // where a sample has several
};

// What the evaluation transform needs: shorter side to floor(image_size / crop_ratio), then the centre,
// normalised.
struct EvaluationTransform {
  std::int64_t image_size = 224;
  double crop_ratio = 1.0;
  Normalisation normalisation = {};
  EvaluationCrops crops = EvaluationCrops::centre;

  int crops_count() const { return crops == EvaluationCrops::five ? 5 : 1; }
};

}  // namespace vitrail::datasets
