// The numbers of networks whose sizes are those of their name: nothing but image size, classes and stochastic
// depth is chosen. Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/declaration.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

struct NamedConfig {
  std::string name;  // ours, also where the user gave timm's
  std::int64_t image_size = 224, classes = 1000;
  double drop_path = 0;  // of the last block, from 0 in the first; or of all
  DropPathLaw drop_path_law = DropPathLaw::linear;

  std::int64_t tokens() const { return 0; }
  std::int64_t pixels_used() const { return image_size; }
  double drop_path_of(std::int64_t block, std::int64_t blocks) const;
  // Side of the smallest images of another size that it can look at as well; absent: of none.
  std::optional<std::int64_t> smallest_view() const { return std::nullopt; }
  DropPath drop_paths(std::size_t blocks, int branches) const;
};

// Where `config` gives a number that such a network has not, it is refused; layer_scale only without
// `scaled`.
NamedConfig named_config(const ModelConfig& config, const std::string& name, DropPathLaw own_law,
                         bool scaled = false);

}  // namespace vitrail::models
