// How a family says, once, what it is made of: its parameters in timm's order, where forward uses them, how
// they start, are trained and stored, and what computing with them costs. Forward works with the handles that
// the declaration gives back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
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

struct SelfAttentionId {
  AffineId norm, qkv, proj;
};

struct ClassAttentionId {  // q of the tokens that ask, k and v of those that answer
  AffineId q, k, v, proj;
};

struct ClassBlockId {  // class attention, then an MLP, on the tokens that ask
  AffineId norm;
  ClassAttentionId attention;
  std::optional<ParameterId> scale;
  MlpId mlp;
  bool patches_answer_alone = false;  // or the tokens that ask, too
};

struct BatchNormId {
  AffineId norm;
  ParameterId mean = 0, variance = 0;  // running
};

struct NormedWeightId {  // of a convolution or a linear layer without bias; then batch norm
  ParameterId weight = 0;
  BatchNormId norm;
};

// The weight of a convolution.
struct Kernel {
  std::int64_t out = 0, in = 0, side = 1, groups = 1;

  std::vector<std::int64_t> shape() const { return {out, in / groups, side, side}; }
  std::int64_t taps() const { return in / groups * side * side; }  // of an output: its fan in
};

// The side of a map behind a convolution of stride 2 that pads.
constexpr std::int64_t halved(std::int64_t side) { return (side + 1) / 2; }

// The recipes' normal is cut at +-2, a hundred standard deviations: it is a plain one.
inline constexpr Init kNarrowNormal{Init::Law::normal, 0.02};
inline constexpr Init kZero{Init::Law::constant, 0.0};
inline constexpr Init kOne{Init::Law::constant, 1.0};
Init uniform_by_fan_in(std::int64_t fan_in);   // PyTorch's law of convolutions and linear layers
Init normal_by_fan_out(const Kernel& kernel);  // He's, for rectifiers

class Declaration {
 public:
  Declaration() = default;
  explicit Declaration(ParameterSpecs declared) : parameters_(std::move(declared)) {}

  // What follows is first used in `block`, as Pass::before_block counts, and is of `layer` for layer decay.
  void enter(int block, int layer);

  // Kinds of parameters: what decays and what is stored in halves is decided here.
  ParameterId token(const std::string& name, std::int64_t width);
  ParameterId tokens(const std::string& name, std::int64_t count, std::int64_t width);
  ParameterId position(const std::string& name, std::int64_t tokens, std::int64_t width);
  ParameterId gain(const std::string& name, std::int64_t width, double value);
  ParameterId gain(const std::string& name, std::vector<std::int64_t> shape, double value);
  ParameterId temperature(const std::string& name, std::int64_t heads);  // decays, as matrices do
  std::optional<ParameterId> layer_scale(const std::string& name, std::int64_t width,
                                         double value);  // 0: none
  ParameterId matrix(const std::string& name, std::vector<std::int64_t> shape, const Init& init);
  ParameterId bias(const std::string& name, std::int64_t width, const Init& init = kZero);
  ParameterId bias(const std::string& name, std::vector<std::int64_t> shape, const Init& init = kZero);

  // Layers, each for `rows` rows of one image; they count what they compute.
  AffineId norm(const std::string& name, std::int64_t width, std::int64_t rows);
  AffineId linear(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t rows,
                  const Init& init = kNarrowNormal);
  AffineId head(const std::string& name, std::int64_t classes, std::int64_t width,
                const Init& init = kNarrowNormal, const Init& bias_init = kZero);
  // Takes back the classifier, one linear layer that was declared last: what comes next stands in its place.
  // The width of what it reads. Error(refused) naming `model` for a network that ends otherwise.
  std::int64_t drop_head(const std::string& model);
  AffineId patch_embedding(const std::string& name, std::int64_t width, std::int64_t patch,
                           std::int64_t patches);
  // Convolutions, for `pixels` of their output; names of the weights' layer and of the norm's.
  AffineId convolution(const std::string& name, const Kernel& kernel, std::int64_t pixels);
  NormedWeightId normed_convolution(const std::string& name, const std::string& norm, const Kernel& kernel,
                                    std::int64_t pixels, const Init& init, double gain = 1);
  BatchNormId batch_norm(const std::string& name, std::int64_t width, double gain = 1);

  // Weights made for the norm `stored` begin `norm` anew.
  void begins_anew(const AffineId& norm, const std::string& stored);
  // Xavier's uniform law for every matrix declared so far; a convolution of patches is one.
  void start_by_xavier();

  void fix_all();                     // what is declared so far stays as it begins
  void mark_head(std::size_t first);  // what is declared from there on is of the head
  // Of what is declared last.
  ParameterSpec& last() { return parameters_.back(); }

  // What has no parameters: products of activations, and numbers that forward keeps for backward.
  void computes(std::int64_t macs);
  void keeps(std::int64_t numbers);

  // Declares a branch within `body`, whose macs and kept numbers are its own.
  template <class Body>
  auto branch(const BranchCost& branch, Body body) {
    begin(branch);
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      body();
      current_.reset();
    } else {
      auto handles = body();
      current_.reset();
      return handles;
    }
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
