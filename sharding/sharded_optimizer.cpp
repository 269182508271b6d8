#include "sharding/sharded_optimizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace vitrail::sharding {
namespace {

constexpr std::size_t kMaxColumns = 2;

double norm_of_column(const PieceSums& squares, std::size_t column, double scale) {
  double total = 0;
  for (const double square : squares.by_parameter(column)) total += square;
  return std::sqrt(total) * scale;
}

template <class Real>
Real* as(std::byte* bytes, std::int64_t first) {
  return reinterpret_cast<Real*>(bytes) + first;
}

}  // namespace

// A run of elements of an owned piece. Its length depends on nothing but the piece, so what is summed block
// by block has the same bits for any number of threads.
struct ShardedOptimizer::Block {
  static constexpr std::int64_t kElements = 1 << 15;  // all its arrays together fit a second-level cache
  std::size_t piece_index = 0;
  const Piece* piece = nullptr;
  std::int64_t first = 0;  // counted in the piece
  std::int64_t elements = 0;
};

// Where the values of a block lie; moments that a run does not have are null.
template <class Real>
struct ShardedOptimizer::Slices {
  Real *sum, *weight, *exp_avg, *exp_avg_sq;
};

std::vector<StateKind> state_kinds(OptimizerName name, bool average) {
  std::vector<StateKind> kinds = {StateKind::weight, StateKind::exp_avg};
  if (name != OptimizerName::sgd) kinds.push_back(StateKind::exp_avg_sq);
  if (average) kinds.push_back(StateKind::ema);
  return kinds;
}

ShardedOptimizer::ShardedOptimizer(const OptimizerConfig& config, std::vector<ParameterRule> rules,
                                   Communicator& communicator, ParallelFor parallel_for)
    : config_(config),
      rules_(std::move(rules)),
      communicator_(communicator),
      parallel_for_(std::move(parallel_for)) {}

std::vector<ShardedOptimizer::Block> ShardedOptimizer::owned_blocks(const LaneState& state) {
  std::vector<Block> blocks;
  const auto& pieces = state.plan().pieces;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!state.owns(pieces[i])) continue;
    for (std::int64_t first = 0; first < pieces[i].elements; first += Block::kElements) {
      blocks.push_back({i, &pieces[i], first, std::min(Block::kElements, pieces[i].elements - first)});
    }
  }
  return blocks;
}

// Calls f(b, blocks[b], slices) for every block, on any thread.
template <class F>
void ShardedOptimizer::for_blocks(const std::vector<Block>& blocks, LaneState& state,
                                  GradientReducer& gradients, const F& f) const {
  const auto kinds = state.kinds();
  const bool has_squares = std::ranges::find(kinds, StateKind::exp_avg_sq) != kinds.end();
  with_real(state.type(), [&](auto real) {
    using Real = decltype(real);
    parallel_for_(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t begin, std::int64_t end) {
      for (auto b = static_cast<std::size_t>(begin); b < static_cast<std::size_t>(end); ++b) {
        const Block& block = blocks[b];
        const Piece& piece = *block.piece;
        const auto values = [&](StateKind kind) { return as<Real>(state.piece(kind, piece), block.first); };
        f(b, block,
          Slices<Real>{as<Real>(gradients.sum(piece.bucket), state.offset_of(piece) + block.first),
                       values(StateKind::weight), values(StateKind::exp_avg),
                       has_squares ? values(StateKind::exp_avg_sq) : nullptr});
      }
    });
  });
}

// f returns the sums of a block, one per column; adds them to their piece's in block order.
template <class F>
void ShardedOptimizer::sum_blocks(LaneState& state, GradientReducer& gradients, PieceSums& sums,
                                  const F& f) const {
  const std::vector<Block> blocks = owned_blocks(state);
  std::vector<std::array<double, kMaxColumns>> of_blocks(blocks.size());
  for_blocks(blocks, state, gradients,
             [&](std::size_t b, const Block& block, const auto& slices) { of_blocks[b] = f(block, slices); });
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (!gradients.lanes().contains(blocks[b].piece->lane)) continue;  // stage 0: its own rank says it
    for (std::size_t c = 0; c < sums.columns(); ++c) sums.at(blocks[b].piece_index, c) += of_blocks[b][c];
  }
}

PieceSums ShardedOptimizer::clip_values(LaneState& state, GradientReducer& gradients, double scale) const {
  PieceSums squares(state.plan(), config_.clip_value > 0 ? 2 : 1);
  sum_blocks(state, gradients, squares, [&](const Block& block, const auto& slices) {
    std::array<double, kMaxColumns> sums{sum_of_squares(slices.sum, block.elements)};
    if (config_.clip_value > 0) {
      using Real = std::remove_pointer_t<decltype(slices.sum)>;
      clamp(static_cast<Real>(config_.clip_value / scale), block.elements, slices.sum);
      sums[1] = sum_of_squares(slices.sum, block.elements);
    }
    return sums;
  });
  return squares;
}

double ShardedOptimizer::gradient_norm(const PieceSums& squares, double scale) {
  return norm_of_column(squares, 0, scale);
}

UpdateStep ShardedOptimizer::of_parameter(UpdateStep step, std::size_t parameter) const {
  step.weight_decay = weight_decay_scale_ * rules_[parameter].weight_decay;
  step.lr *= rules_[parameter].lr_scale;
  return step;
}

void ShardedOptimizer::step(LaneState& state, GradientReducer& gradients, double lr, double scale,
                            const PieceSums& squares) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  UpdateStep step;
  step.lr = lr;
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.eps = config_.eps;
  step.momentum = config_.momentum;
  step.nesterov = config_.nesterov;
  step.gradient_scale = scale;
  step.bias_correction1 = 1 - std::pow(config_.beta1, t);
  step.bias_correction2 = 1 - std::pow(config_.beta2, t);
  double norm = norm_of_column(squares, squares.columns() - 1, scale);  // of what clip_values() has left
  if (config_.clip_norm > 0) {                                          // torch.nn.utils.clip_grad_norm_
    const double clip = std::min(1.0, config_.clip_norm / (norm + 1e-6));
    step.gradient_scale *= clip;
    norm *= clip;
  }
  switch (config_.name) {
    case OptimizerName::adamw:
      return for_blocks(owned_blocks(state), state, gradients,
                        [&](std::size_t, const Block& block, const auto& s) {
                          adamw_update(of_parameter(step, block.piece->parameter), block.elements, s.sum,
                                       s.weight, s.exp_avg, s.exp_avg_sq);
                        });
    case OptimizerName::sgd:
      return for_blocks(owned_blocks(state), state, gradients,
                        [&](std::size_t, const Block& block, const auto& s) {
                          sgd_update(of_parameter(step, block.piece->parameter), block.elements, s.sum,
                                     s.weight, s.exp_avg);
                        });
    case OptimizerName::lamb:
      if (config_.lamb_max_grad_norm > 0) {
        step.gradient_scale /= std::max(1.0, norm / config_.lamb_max_grad_norm);
      }
      return step_lamb(state, gradients, step);
  }
}

void ShardedOptimizer::step_lamb(LaneState& state, GradientReducer& gradients, const UpdateStep& step) const {
  PieceSums squares(state.plan(), 2);  // {|weight|^2, |update|^2}
  sum_blocks(state, gradients, squares, [&](const Block& block, const auto& s) {
    UpdateStep own = of_parameter(step, block.piece->parameter);
    const bool adapts = own.weight_decay != 0 || config_.lamb_always_adapt;
    if (config_.lamb_decoupled_decay && own.weight_decay != 0) {
      multiply(1 - own.lr * own.weight_decay, block.elements, s.weight);
      own.weight_decay = 0;
    }
    const LambSquares squares_of_block =
        lamb_direction(own, block.elements, s.sum, s.weight, s.exp_avg, s.exp_avg_sq);
    if (!adapts) return std::array<double, kMaxColumns>{};
    return std::array<double, kMaxColumns>{squares_of_block.weight, squares_of_block.update};
  });
  communicator_.all_reduce_sum(squares.values());
  const std::vector<double> weights = squares.by_parameter(0);
  const std::vector<double> updates = squares.by_parameter(1);
  for_blocks(owned_blocks(state), state, gradients, [&](std::size_t, const Block& block, const auto& s) {
    const std::size_t parameter = block.piece->parameter;
    const double w = std::sqrt(weights[parameter]);
    const double u = std::sqrt(updates[parameter]);
    double trust_ratio = w > 0 && u > 0 ? w / u : 1.0;
    if (config_.lamb_trust_clip) trust_ratio = std::min(trust_ratio, 1.0);
    apply_update(of_parameter(step, parameter).lr * trust_ratio, block.elements, s.sum, s.weight);
  });
}

}  // namespace vitrail::sharding
