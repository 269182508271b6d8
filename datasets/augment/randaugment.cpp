#include "datasets/augment/randaugment.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {

namespace {

using Choice = RandAugment::Choice;
using Does = OperationKind;
using Law = LevelLaw;

constexpr int kMostLayers = 64;  // timm has no bounds; more than these are slips of the pen
constexpr int kMostMagnitude = 100;

std::vector<Choice> standard_set(bool increasing) {
  const Law enhance = increasing ? Law::enhance_increasing : Law::enhance;
  return {{Does::auto_contrast, Law::none},
          {Does::equalize, Law::none},
          {Does::invert, Law::none},
          {Does::rotate, Law::rotate},
          {Does::posterize, increasing ? Law::posterize_increasing : Law::posterize},
          {Does::solarize, increasing ? Law::solarize_increasing : Law::solarize},
          {Does::solarize_add, Law::solarize_add},
          {Does::saturation, enhance},
          {Does::contrast, enhance},
          {Does::brightness, enhance},
          {Does::sharpness, enhance},
          {Does::shear_x, Law::shear},
          {Does::shear_y, Law::shear},
          {Does::translate_x, Law::translate},
          {Does::translate_y, Law::translate}};
}

std::vector<Choice> weighted_set() {
  return {{Does::rotate, Law::rotate, 3.0},
          {Does::shear_x, Law::shear, 2.0},
          {Does::shear_y, Law::shear, 2.0},
          {Does::translate_x, Law::translate, 1.0},
          {Does::translate_y, Law::translate, 1.0},
          {Does::saturation, Law::enhance_increasing, 0.25},
          {Does::sharpness, Law::enhance_increasing, 0.25},
          {Does::auto_contrast, Law::none, 0.25},
          {Does::solarize, Law::solarize_increasing, 0.05},
          {Does::solarize_add, Law::solarize_add, 0.05},
          {Does::contrast, Law::enhance_increasing, 0.05},
          {Does::brightness, Law::enhance_increasing, 0.05},
          {Does::equalize, Law::none, 0.05},
          {Does::posterize, Law::posterize_increasing, 0.05},
          {Does::invert, Law::none, 0.05}};
}

std::vector<Choice> three_set() {
  return {{Does::solarize, Law::solarize_increasing},
          {Does::saturation, Law::desaturate},
          {Does::blur, Law::blur}};
}

std::vector<Choice> weighted_three_set() {
  return {{Does::solarize, Law::solarize_increasing, 6.0},
          {Does::saturation, Law::desaturate, 6.0},
          {Does::blur, Law::blur, 6.0},
          {Does::rotate, Law::rotate, 3.0},
          {Does::shear_x, Law::shear, 2.0},
          {Does::shear_y, Law::shear, 2.0},
          {Does::posterize, Law::posterize_increasing, 1.0},
          {Does::auto_contrast, Law::none, 1.0},
          {Does::saturation, Law::enhance_increasing, 1.0},
          {Does::sharpness, Law::enhance_increasing, 1.0},
          {Does::contrast, Law::enhance_increasing, 1.0},
          {Does::brightness, Law::enhance_increasing, 1.0},
          {Does::equalize, Law::none, 1.0},
          {Does::invert, Law::none, 1.0}};
}

template <class Number>
std::optional<Number> read(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  RandAugment parse() {
    std::string_view rest = text_;
    if (section(rest) != "rand") fail("it begins with rand-");
    while (!rest.empty()) take(section(rest));
    choose();
    return result_;
  }

 private:
  static std::string_view section(std::string_view& rest) {
    const std::size_t dash = std::min(rest.find('-'), rest.size());
    const std::string_view first = rest.substr(0, dash);
    rest.remove_prefix(std::min(dash + 1, rest.size()));
    return first;
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(ExitCode::usage, what); }

  template <class Number>
  Number number(std::string_view value, std::string_view whole,
                Number most = std::numeric_limits<Number>::max()) const {
    const std::optional<Number> found = read<Number>(value);
    if (!found || *found < 0) fail(fmt::format("{} has no number that it could take", whole));
    if (*found > most) fail(fmt::format("{}: at most {}", whole, most));
    return *found;
  }

  void take(std::string_view whole) {
    const std::size_t key_end = whole.starts_with('t') ? 1 : whole.find_first_of("0123456789");
    if (!taken_.insert(std::string(whole.substr(0, key_end))).second) {
      fail(fmt::format("{} comes twice", whole.substr(0, key_end)));
    }
    if (whole.starts_with('t')) {
      set_ = whole.substr(1);
      if (set_ != "weights" && set_ != "3a" && set_ != "3aw") fail("t is followed by weights, 3a or 3aw");
      return;
    }
    const std::size_t digit = std::min(whole.find_first_of("0123456789"), whole.size());
    const std::string_view key = whole.substr(0, digit), value = whole.substr(digit);
    if (key == "m") {
      result_.level.magnitude = number(value, whole, kMostMagnitude);
    } else if (key == "n") {
      result_.layers = number(value, whole, kMostLayers);
    } else if (key == "p") {
      result_.probability = number(value, whole, 1.0);
    } else if (key == "mstd") {
      result_.level.deviation = deviation_of(number<double>(value, whole));
    } else if (key == "mmax") {
      const int bound = number(value, whole, kMostMagnitude);
      result_.level.upper_bound = bound == 0 ? kLevels : bound;
    } else if (key == "inc") {
      increasing_ = number<int>(value, whole) != 0;
    } else {
      fail(fmt::format("{} is none of m, n, p, mstd, mmax, inc with a number, or t with a set", whole));
    }
  }

  void choose() {
    result_.weighted = set_ == "weights" || set_ == "3aw";
    result_.choices = set_ == "weights" ? weighted_set()
                      : set_ == "3aw"   ? weighted_three_set()
                      : set_ == "3a"    ? three_set()
                                        : standard_set(increasing_);
    if (result_.weighted && static_cast<std::size_t>(result_.layers) > result_.choices.size()) {
      fail(fmt::format("{} different operations of a set of {}", result_.layers, result_.choices.size()));
    }
  }

  const std::string text_;
  std::string_view set_;
  std::set<std::string> taken_;  // timm takes the first of two in silence
  bool increasing_ = false;
  RandAugment result_;
};

// Which choice comes next; a weighted one is then not chosen again.
std::size_t draw_choice(const RandAugment& config, std::vector<double>& weights, Philox& stream) {
  if (!config.weighted) return stream.below(config.choices.size());
  double left = stream.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t chosen = weights.size();
  for (std::size_t i = 0; i < weights.size() && left >= 0.0; ++i) {
    if (weights[i] == 0.0) continue;
    chosen = i;
    left -= weights[i];
  }
  weights[chosen] = 0.0;
  return chosen;
}

}  // namespace

RandAugment parse_randaugment(const std::string& text) try {
  return Parser(text).parse();
} catch (const Error& error) {
  throw error.in("augment.randaugment = " + text);
}

std::string complaint_about_randaugment(const std::string& text) try {
  Parser(text).parse();
  return {};
} catch (const Error& error) {
  return error.what();
}

std::vector<Operation> draw_operations(const RandAugment& config, int image_size, Philox& stream) {
  std::vector<double> weights;
  for (const Choice& choice : config.choices) weights.push_back(choice.weight);
  std::vector<Operation> operations;
  for (int layer = 0; layer < config.layers; ++layer) {
    const Choice& choice = config.choices[draw_choice(config, weights, stream)];
    if (config.probability < 1.0 && stream.uniform() > config.probability) continue;
    const double magnitude = draw_magnitude(config.level, stream);
    operations.push_back({choice.kind, argument_of(choice.law, magnitude, image_size, stream)});
  }
  return operations;
}

}  // namespace vitrail::datasets
