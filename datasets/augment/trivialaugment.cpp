#include "datasets/augment/trivialaugment.hpp"

#include <array>
#include <cmath>

namespace vitrail::datasets {
namespace {

using Does = OperationKind;

constexpr std::uint64_t kStrengths = 31;

struct Range {
  Does kind;
  double widest;  // argument at the last strength, from 0 at the first
  bool signed_argument = true;
};

// One more does nothing.
constexpr std::array<Range, 13> kRanges = {{{Does::shear_x, 0.99},
                                            {Does::shear_y, 0.99},
                                            {Does::translate_x, 32},
                                            {Does::translate_y, 32},
                                            {Does::rotate, 135},
                                            {Does::brightness, 0.99},
                                            {Does::saturation, 0.99},
                                            {Does::contrast, 0.99},
                                            {Does::sharpness, 0.99},
                                            {Does::posterize, 6, false},
                                            {Does::solarize, 255, false},
                                            {Does::auto_contrast, 0, false},
                                            {Does::equalize, 0, false}}};

// torch.linspace in fp32, whose step is rounded and which goes from both ends with products that are not: its
// middle one of 0 to 32 is a little below 16.
double strength_at(double widest, std::uint64_t number) {
  const double step = static_cast<float>(widest) / static_cast<float>(kStrengths - 1);
  const double strength = number < kStrengths / 2
                              ? step * static_cast<double>(number)
                              : widest - step * static_cast<double>(kStrengths - 1 - number);
  return static_cast<float>(strength);
}

double argument_at(Does kind, double strength) {
  switch (kind) {
    case Does::translate_x:  // torchvision's go right and down
    case Does::translate_y:
      return -std::trunc(strength);
    case Does::brightness:
    case Does::saturation:
    case Does::contrast:
    case Does::sharpness:
      return 1 + strength;
    case Does::posterize:
      return 8 - std::nearbyint(strength);
    case Does::solarize:  // values from this on, whole ones
      return std::ceil(255 - strength);
    default:
      return strength;
  }
}

}  // namespace

std::optional<Operation> draw_trivial_augment(Philox& stream) {
  const std::uint64_t chosen = stream.below(kRanges.size() + 1);
  if (chosen == kRanges.size()) return std::nullopt;
  const Range& range = kRanges[chosen];
  if (range.widest == 0) return Operation{range.kind};
  double strength = strength_at(range.widest, stream.below(kStrengths));
  if (range.signed_argument && stream.below(2) == 1) strength = -strength;
  return Operation{range.kind, argument_at(range.kind, strength)};
}

}  // namespace vitrail::datasets
