// What a network's body gives to its heads.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

// How much class tokens attend to each patch; what they attend to in other tokens is left out.
struct AttentionMaps {
  at::Tensor weights;       // [B,M,G,G], at least fp32: of each head, or of each class; rows top to bottom
  std::int64_t cell = 0;    // pixels a side that a weight stands for; what lies beyond is not looked at
  bool of_classes = false;  // else of heads
};

struct FeatureChoice;

struct Features {
  // What a head reads: [B,D], the class token or the mean over tokens or pixels; [B,K,D] of a token for each
  // class.
  at::Tensor pooled;
  at::Tensor distillation;  // [B,D]: the distillation token; undefined where there is none
  // If the pass asks for them, the first two past the last norm:
  std::vector<at::Tensor> blocks = {};  // [B,D] each: what is pooled, after each of the last blocks
  at::Tensor mean = {};                 // [B,D]: the mean over patches or pixels
  at::Tensor tokens = {};               // [B,T,D]: all tokens that the pass looked at, those of patches last
  std::optional<AttentionMaps> attention = std::nullopt;
};

// [B,D'] of a pass that asked for them: what the head reads, the mean beside or instead of it, or blocks side
// by side.
at::Tensor chosen(const Features& features, const FeatureChoice& choice);

}  // namespace vitrail::models
