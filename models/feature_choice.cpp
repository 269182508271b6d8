#include "models/feature_choice.hpp"

#include <charconv>

namespace vitrail::models {

std::optional<FeatureChoice> read_feature_choice(const std::string& text) {
  if (text == "head") return FeatureChoice{};
  if (text == "mean") return FeatureChoice{.blocks = 0, .mean = true};
  if (text == "head+mean") return FeatureChoice{.blocks = 0, .mean = true, .beside = true};
  if (text == "projection") return FeatureChoice{.blocks = 0, .projection = true};
  const std::string prefix = "last:";
  if (!text.starts_with(prefix)) return std::nullopt;
  FeatureChoice choice;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + prefix.size(), end, choice.blocks);
  if (error != std::errc() || stop != end || choice.blocks < 1) return std::nullopt;
  return choice;
}

}  // namespace vitrail::models
