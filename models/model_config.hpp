// Settings of the model; bound to keys in trainer/settings/sections/model.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace vitrail::models {

// Interpolation of position embeddings: as DeiT does it, or as timm does.
enum class PositionResize { bicubic, antialias };
enum class DropPathLaw { of_model, constant, linear };

// A head of self-supervised learning, which ends in prototypes instead of classes
// (heads/projection_head.hpp).
struct ProjectionConfig {
  std::int64_t hidden = 2048;     // width of its layers
  std::int64_t bottleneck = 256;  // of what is brought to length 1
  std::int64_t outputs = 65536;   // prototypes
  bool batch_norm = false;        // behind its layers
  bool fixed_lengths = true;      // the prototypes' lengths stay 1

  bool operator==(const ProjectionConfig&) const = default;
};

// A decoder that paints the patches which the network did not see (heads/pixel_decoder.hpp).
struct ReconstructionConfig {
  double masked = 0.75;                             // share of the patches
  std::int64_t width = 512, depth = 8, heads = 16;  // of the decoder

  bool operator==(const ReconstructionConfig&) const = default;
};

// A head whose output is compared by cosine (heads/embedding_head.hpp).
struct EmbeddingConfig {
  bool linear = false;                   // one linear layer, instead of two with a hidden one between
  std::int64_t hidden = 4096;            // its width
  std::int64_t outputs = 256;            // of the embedding
  std::int64_t predictor_hidden = 4096;  // of what predicts another network's embedding from it; 0: none

  bool operator==(const EmbeddingConfig&) const = default;
};

// A classifier on chosen features of a body that does not learn (heads/probe_head.hpp).
struct ProbeConfig {
  std::string features = "head";  // read_feature_choice

  bool operator==(const ProbeConfig&) const = default;
};

// What stands in the classifier's place where a task wants another head.
using TaskHead = std::variant<ProjectionConfig, ReconstructionConfig, EmbeddingConfig, ProbeConfig>;

// What a vision transformer gives to its head: its class token past the last norm, or the mean of its patches
// past a norm of its own (timm's fc_norm), as MAE fine-tunes.
enum class Pooling { token, mean };

struct ModelConfig {
  std::string name = "vit_s16";
  std::int64_t image_size = 224;
  std::int64_t classes = 1000;
  double drop_path = 0.0;  // stochastic depth rate: of every layer, or of the last one, by drop_path_law
  double dropout = 0.0;    // rate, behind positions and linear layers
  DropPathLaw drop_path_law = DropPathLaw::of_model;
  std::int64_t batch_norm_lanes = 1;              // whose images a batch norm sees as one batch
  std::string activation_checkpointing = "none";  // see activation_checkpointing.hpp
  std::string weights;  // safetensors under timm's names to start from; empty: random
  PositionResize position_resize = PositionResize::bicubic;  // where weights are of another image size
  std::optional<TaskHead> task_head;
  Pooling pooling = Pooling::token;
  // Absent: the named model's own.
  std::optional<double> layer_scale;  // initial value; 0: no LayerScale
  std::optional<std::int64_t> patch, width, depth, heads, parallel;
};

}  // namespace vitrail::models
