// How a family says, once, what it is made of: its parameters in timm's order, where forward uses them, how
// they start, are trained and stored, and what computing with them costs. Forward works with the handles that
// the declaration gives back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/costs.hpp"
#include "models/parameter_spec.hpp"

namespace vitrail::models {

using ParameterId = std::size_t;  // index into the model's parameters

struct AffineId {  // of a linear layer, or a norm's gain and bias
  ParameterId weight = 0, bias = 0;
};

struct MlpId {  // a whole branch
  AffineId norm, fc1, fc2;
  std::optional<ParameterId> scale;
};

struct NormedConvolutionId {  // no bias; then batch norm
  ParameterId weight = 0;
  AffineId norm;
  ParameterId mean = 0, variance = 0;
};

// The recipes' normal is cut at +-2, a hundred standard deviations: it is a plain one.
inline constexpr Init kNarrowNormal{Init::Law::normal, 0.02};
inline constexpr Init kZero{Init::Law::constant, 0.0};
inline constexpr Init kOne{Init::Law::constant, 1.0};

class Declaration {
 public:
  // What follows is first used in `block`, as Pass::before_block counts, and is of `layer` for layer decay.
  void enter(int block, int layer);

  // Kinds of parameters: what decays and what is stored in halves is decided here.
  ParameterId token(const std::string& name, std::int64_t width);
  ParameterId position(const std::string& name, std::int64_t tokens, std::int64_t width);
  ParameterId gain(const std::string& name, std::int64_t width, double value);
  std::optional<ParameterId> layer_scale(const std::string& name, std::int64_t width,
                                         double value);  // 0: none
  ParameterId matrix(const std::string& name, std::vector<std::int64_t> shape, const Init& init);
  ParameterId bias(const std::string& name, std::int64_t width, const Init& init = kZero);

  // Layers, each for `rows` rows of one image; they count what they compute.
  AffineId norm(const std::string& name, std::int64_t width, std::int64_t rows);
  AffineId linear(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t rows,
                  const Init& init = kNarrowNormal);
  AffineId head(const std::string& name, std::int64_t classes, std::int64_t width,
                const Init& init = kNarrowNormal);
  AffineId patch_embedding(const std::string& name, std::int64_t width, std::int64_t patch,
                           std::int64_t patches);
  // shape [out, in / groups, side, side], for `pixels` of its output
  NormedConvolutionId normed_convolution(const std::string& name, std::vector<std::int64_t> shape,
                                         std::int64_t groups, std::int64_t pixels, double gain = 1);

  // What has no parameters: products of activations, and numbers that forward keeps for backward.
  void computes(std::int64_t macs);
  void keeps(std::int64_t numbers);

  // Declares a branch within `body`, whose macs and kept numbers are its own.
  template <class Body>
  auto branch(const BranchCost& branch, Body body) {
    begin(branch);
    auto handles = body();
    current_.reset();
    return handles;
  }
  void segments(std::int64_t blocks, std::int64_t input);  // Costs::segment

  const ParameterSpecs& parameters() const { return parameters_; }
  const Costs& costs() const { return costs_; }

 private:
  ParameterId add(ParameterSpec spec);
  void begin(const BranchCost& branch);

  ParameterSpecs parameters_;
  Costs costs_;
  std::optional<std::size_t> current_;  // branch
  int block_ = 0, layer_ = 0;
};

}  // namespace vitrail::models
