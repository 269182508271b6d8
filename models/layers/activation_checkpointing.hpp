// What the backward pass computes a second time instead of finding it kept (Chen et al. 2016): the attention
// branches, or segments of whole blocks of which only the input is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail::models {

struct ActivationCheckpointing {
  bool attention = false;
  std::int64_t blocks = 0;  // of a segment; 0: blocks keep what they computed
};

// "none", "attention", "block" or "every:K" with K >= 1; nothing for any other text.
std::optional<ActivationCheckpointing> read_activation_checkpointing(const std::string& text);

}  // namespace vitrail::models
