// With which mean and standard deviation of each channel pixels between 0 and 1 are normalised for a model:
// a part of what its weights mean. As text: three numbers, "0.485,0.456,0.406".
#pragma once

#include <array>
#include <optional>
#include <string>

namespace vitrail {

using ChannelValues = std::array<double, 3>;  // red, green, blue

struct Normalisation {
  ChannelValues mean = {0.485, 0.456, 0.406};  // ImageNet's
  ChannelValues deviation = {0.229, 0.224, 0.225};

  bool operator==(const Normalisation&) const = default;
};

inline constexpr Normalisation kImageNet = {};
inline constexpr Normalisation kHalves = {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};  // to -1 ... 1

std::string format(const ChannelValues& values);  // the shortest that reads back to the same bits
// Three finite numbers between commas; blanks and one pair of brackets around them are passed over, as in
// (0.5, 0.5, 0.5). Nothing for any other text.
std::optional<ChannelValues> parse_channel_values(const std::string& text);

bool is_mean(const ChannelValues& values);       // each 0 to 1
bool is_deviation(const ChannelValues& values);  // each 1e-6 to 1

std::string describe(const Normalisation& normalisation);  // "mean 0.5,0.5,0.5 and std 0.5,0.5,0.5"

}  // namespace vitrail
