#include "models/layers/activation_checkpointing.hpp"

#include <charconv>
#include <string_view>

namespace vitrail::models {

std::optional<ActivationCheckpointing> read_activation_checkpointing(const std::string& text) {
  constexpr std::string_view kEvery = "every:";
  if (text == "none") return ActivationCheckpointing{};
  if (text == "attention") return ActivationCheckpointing{.attention = true};
  if (text == "block") return ActivationCheckpointing{.blocks = 1};
  if (!text.starts_with(kEvery)) return std::nullopt;
  ActivationCheckpointing segments;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + kEvery.size(), end, segments.blocks);
  if (error != std::errc{} || rest != end || segments.blocks < 1) return std::nullopt;
  return segments;
}

}  // namespace vitrail::models
