// Which features of a network are asked for, beside those that its head reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail::models {

struct FeatureChoice {
  std::int64_t blocks = 0;  // pooled outputs of the last so many blocks; 0: none
  bool mean = false;        // the mean over patches
  bool beside = false;      // what the head reads, and that mean, in turn element by element
  bool projection = false;  // what a head makes of what it reads, whose output is compared by cosine
  bool tokens = false;      // all of them, past the last norm; of vision transformers
  bool attention = false;   // maps of the attention by which class tokens ask patches

  bool operator==(const FeatureChoice&) const = default;
};

// "head" (nothing more), "mean", "head+mean", "last:N" or "projection".
std::optional<FeatureChoice> read_feature_choice(const std::string& text);

}  // namespace vitrail::models
