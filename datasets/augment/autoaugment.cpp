#include "datasets/augment/autoaugment.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
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

[[noreturn]] void refuse_policy(const std::string& what) { throw Error(ExitCode::usage, what); }

AutoAugment read_policy(std::string_view text) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const std::string_view policy = text.substr(0, dash);
  if (policy != "original" && policy != "originalr")
    refuse_policy(fmt::format("{} is neither original nor originalr", policy.empty() ? "nothing" : policy));
  AutoAugment config{.pairs = kImageNetPolicy, .increasing = policy == "originalr"};
  if (dash == text.size()) return config;
  constexpr std::string_view kDeviation = "-mstd";
  const std::string_view rest = text.substr(dash);
  const std::string_view number = rest.starts_with(kDeviation) ? rest.substr(kDeviation.size()) : "";
  double value = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value) || value < 0)
    refuse_policy(fmt::format("{} is no mstd with a number", rest.substr(1)));
  config.deviation = value;
  return config;
}

}  // namespace

AutoAugment parse_autoaugment(const std::string& text) try {
  return read_policy(text);
} catch (const Error& error) {
  throw error.in("augment.autoaugment = " + text);
}

std::string complaint_about_autoaugment(const std::string& text) try {
  read_policy(text);
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
