#include "datasets/augment/autoaugment.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

using Does = OperationKind;
using Law = LevelLaw;

// Operation, law, probability, magnitude (0 where none is taken).
constexpr std::array<AutoAugment::Pair, 25> kImageNetPolicy = {{
    {{{Does::posterize, Law::posterize_upper, 0.4, 8}, {Does::rotate, Law::rotate, 0.6, 9}}},
    {{{Does::solarize, Law::solarize, 0.6, 5}, {Does::auto_contrast, Law::none, 0.6, 0}}},
    {{{Does::equalize, Law::none, 0.8, 0}, {Does::equalize, Law::none, 0.6, 0}}},
    {{{Does::posterize, Law::posterize_upper, 0.6, 7}, {Does::posterize, Law::posterize_upper, 0.6, 6}}},
    {{{Does::equalize, Law::none, 0.4, 0}, {Does::solarize, Law::solarize, 0.2, 4}}},
    {{{Does::equalize, Law::none, 0.4, 0}, {Does::rotate, Law::rotate, 0.8, 8}}},
    {{{Does::solarize, Law::solarize, 0.6, 3}, {Does::equalize, Law::none, 0.6, 0}}},
    {{{Does::posterize, Law::posterize_upper, 0.8, 5}, {Does::equalize, Law::none, 1.0, 0}}},
    {{{Does::rotate, Law::rotate, 0.2, 3}, {Does::solarize, Law::solarize, 0.6, 8}}},
    {{{Does::equalize, Law::none, 0.6, 0}, {Does::posterize, Law::posterize_upper, 0.4, 6}}},
    {{{Does::rotate, Law::rotate, 0.8, 8}, {Does::saturation, Law::enhance, 0.4, 0}}},
    {{{Does::rotate, Law::rotate, 0.4, 9}, {Does::equalize, Law::none, 0.6, 0}}},
    {{{Does::equalize, Law::none, 0.0, 0}, {Does::equalize, Law::none, 0.8, 0}}},
    {{{Does::invert, Law::none, 0.6, 0}, {Does::equalize, Law::none, 1.0, 0}}},
    {{{Does::saturation, Law::enhance, 0.6, 4}, {Does::contrast, Law::enhance, 1.0, 8}}},
    {{{Does::rotate, Law::rotate, 0.8, 8}, {Does::saturation, Law::enhance, 1.0, 2}}},
    {{{Does::saturation, Law::enhance, 0.8, 8}, {Does::solarize, Law::solarize, 0.8, 7}}},
    {{{Does::sharpness, Law::enhance, 0.4, 7}, {Does::invert, Law::none, 0.6, 0}}},
    {{{Does::shear_x, Law::shear, 0.6, 5}, {Does::equalize, Law::none, 1.0, 0}}},
    {{{Does::saturation, Law::enhance, 0.4, 0}, {Does::equalize, Law::none, 0.6, 0}}},
    {{{Does::equalize, Law::none, 0.4, 0}, {Does::solarize, Law::solarize, 0.2, 4}}},
    {{{Does::solarize, Law::solarize, 0.6, 5}, {Does::auto_contrast, Law::none, 0.6, 0}}},
    {{{Does::invert, Law::none, 0.6, 0}, {Does::equalize, Law::none, 1.0, 0}}},
    {{{Does::saturation, Law::enhance, 0.6, 4}, {Does::contrast, Law::enhance, 1.0, 8}}},
    {{{Does::equalize, Law::none, 0.8, 0}, {Does::equalize, Law::none, 0.6, 0}}},
}};

}  // namespace

AutoAugment parse_autoaugment(const std::string& text) {
  const std::string_view whole = text;
  const std::size_t dash = std::min(whole.find('-'), whole.size());
  const std::string_view policy = whole.substr(0, dash);
  const auto refuse = [&](const std::string& what) {
    throw Error(ExitCode::usage, fmt::format("augment.autoaugment = {}: {}", text, what));
  };
  if (policy != "original" && policy != "originalr")
    refuse(fmt::format("{} is neither original nor originalr", policy.empty() ? "nothing" : policy));
  AutoAugment config{.pairs = kImageNetPolicy, .increasing = policy == "originalr"};
  if (dash == whole.size()) return config;
  constexpr std::string_view kDeviation = "-mstd";
  std::string_view rest = whole.substr(dash);
  double value = -1;
  if (rest.starts_with(kDeviation)) {
    rest.remove_prefix(kDeviation.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || end != rest.data() + rest.size()) value = -1;
  }
  if (value < 0) refuse(fmt::format("{} is no mstd with a number", whole.substr(dash + 1)));
  config.deviation = deviation_of(value);
  return config;
}

std::string complaint_about_autoaugment(const std::string& text) try {
  parse_autoaugment(text);
  return {};
} catch (const Error& error) {
  return error.what();
}

std::vector<Operation> draw_operations(const AutoAugment& config, int image_size, Philox& stream) {
  std::vector<Operation> operations;
  for (const AutoAugment::Step& step : config.pairs[stream.below(config.pairs.size())]) {
    if (step.probability < 1.0 && stream.uniform() > step.probability) continue;
    const bool other = config.increasing && step.law == Law::posterize_upper;
    const double magnitude = draw_magnitude({step.magnitude, config.deviation}, stream);
    operations.push_back({step.kind, argument_of(other ? Law::posterize_increasing : step.law, magnitude,
                                                 image_size, stream)});
  }
  return operations;
}

}  // namespace vitrail::datasets
