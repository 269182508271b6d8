// Which models there are and what each would be, without building one: for tables, plans, export and import.
// Throws: as make_model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/model_config.hpp"
#include "models/parameter_spec.hpp"

namespace vitrail::models {

struct ModelSummary {
  std::string name;  // ours, also where timm's was asked for
  std::int64_t params = 0, macs = 0, tokens = 0, image_size = 0, classes = 0;
  std::int64_t activation_bytes = 0;  // of one image in fp32, see costs.hpp
  std::int64_t pixels_used = 0;       // per side: the rest fills no whole patch
  bool talking_heads = false;         // small products over heads, which no matrix unit speeds up
  double macs_in_training = 0;        // of a forward pass, with what stochastic depth leaves on average
  double macs_deviation = 0;          // standard deviation of that: each branch of each layer is kept or not
  double macs_again = 0;              // of activation checkpointing, on average
};

std::vector<std::string> known_models();   // our names, smallest network of a family first
std::vector<std::string> model_aliases();  // timm's names, accepted wherever ours are, also with a tag
bool is_known_model(std::string_view name);
bool is_timms_name(std::string_view name);  // an alias, or a name that timm calls the network by, too

// The image size in timm's name ("cait_m48_448"); 224 for all other names.
std::int64_t image_size_of_name(const std::string& name);

// Side of the smallest images of another size than config.image_size that it can look at as well, as views of
// DINO; absent: of none.
std::optional<std::int64_t> smallest_view(const ModelConfig& config);

ModelSummary describe_model(const ModelConfig& config);
ParameterSpecs parameters_of(const ModelConfig& config);  // the specs of make_model(config)

}  // namespace vitrail::models
