#include "models/weights/pretrained.hpp"

#include <algorithm>
#include <array>

#include "models/families/catalogue.hpp"
#include "models/families/model_names.hpp"

namespace vitrail::models {
namespace {

constexpr Normalisation kClip = {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}};

struct Row {
  std::string_view name, tag;  // what they begin with; timm's default tag of the name is in the first row
  Normalisation normalisation;
};

constexpr std::array<Row, 18> kRows = {{
    {"vit_", "augreg", kHalves},
    {"vit_", "orig_", kHalves},
    {"vit_", "sam_", kHalves},
    {"vit_", "dino", kImageNet},
    {"vit_", "mae", kImageNet},
    {"vit_", "bamboo", kClip},
    {"deit", "fb_", kImageNet},  // deit3 as well
    {"cait_", "fb_", kImageNet},
    {"regnety_", "sw_", kImageNet},
    {"regnety_", "swag_", kImageNet},
    {"regnety_", "deit_", kImageNet},
    {"regnety_", "lion_", kImageNet},
    {"regnety_", "pycls_", kImageNet},
    {"regnety_", "tv2_", kImageNet},
    {"resmlp_", "fb_", kImageNet},
    {"xcit_", "fb_", kImageNet},
    {"convit_", "fb_", kImageNet},
    {"levit_", "fb_", kImageNet},
}};

}  // namespace

std::optional<Normalisation> pretrained_normalisation(std::string_view name) {
  const std::string_view plain = without_tag(name);
  if (!is_timms_name(plain)) return std::nullopt;
  const std::string_view tag = plain.size() < name.size() ? name.substr(plain.size() + 1) : "";
  const auto row = std::ranges::find_if(kRows, [&](const Row& candidate) {
    return plain.starts_with(candidate.name) && (tag.empty() || tag.starts_with(candidate.tag));
  });
  return row == kRows.end() ? std::nullopt : std::optional(row->normalisation);
}

}  // namespace vitrail::models
