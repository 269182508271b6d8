#include "sharding/sharded_optimizer.hpp"

#include <cmath>
#include <utility>

namespace vitrail::sharding {
namespace {

// The gradient sum of an owned piece: laid out like the state's slices.
std::byte* sum_of(const LaneState& state, GradientReducer& gradients, const Piece& piece) {
  return gradients.sum(piece.bucket) +
         static_cast<std::size_t>(state.offset_of(piece)) * size_of(state.type());
}

// Calls f(piece index, piece, Real{}) for every piece that this rank owns.
template <class F>
void for_owned_pieces(const LaneState& state, F&& f) {
  const auto& pieces = state.plan().pieces;
  with_real(state.type(), [&](auto real) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (state.owns(pieces[i])) f(i, pieces[i], real);
    }
  });
}

template <class Real>
Real* as(std::byte* bytes) {
  return reinterpret_cast<Real*>(bytes);
}

}  // namespace

ShardedOptimizer::ShardedOptimizer(const OptimizerConfig& config, std::vector<double> weight_decay,
                                   Communicator& communicator)
    : config_(config), weight_decay_(std::move(weight_decay)), communicator_(communicator) {}

PieceSums ShardedOptimizer::gradient_squares(LaneState& state, GradientReducer& gradients) const {
  PieceSums squares(state.plan(), 1);
  for_owned_pieces(state, [&](std::size_t i, const Piece& piece, auto real) {
    squares.at(i, 0) = sum_of_squares(as<decltype(real)>(sum_of(state, gradients, piece)), piece.elements);
  });
  return squares;
}

double ShardedOptimizer::gradient_norm(const PieceSums& squares, double scale) {
  double total = 0;
  for (const double square : squares.by_parameter(0)) total += square;
  return std::sqrt(total) * scale;
}

void ShardedOptimizer::step(LaneState& state, GradientReducer& gradients, double lr, double scale,
                            double norm) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  UpdateStep step{lr,
                  config_.beta1,
                  config_.beta2,
                  config_.eps,
                  0,
                  scale,
                  1 - std::pow(config_.beta1, t),
                  1 - std::pow(config_.beta2, t)};
  if (config_.clip_norm > 0) {  // torch.nn.utils.clip_grad_norm_
    const double clip = std::min(1.0, config_.clip_norm / (norm + 1e-6));
    step.gradient_scale *= clip;
    norm *= clip;
  }
  if (config_.name == OptimizerName::adamw) return step_adamw(state, gradients, step);
  if (config_.lamb_max_grad_norm > 0) step.gradient_scale /= std::max(1.0, norm / config_.lamb_max_grad_norm);
  step_lamb(state, gradients, step);
}

void ShardedOptimizer::step_adamw(LaneState& state, GradientReducer& gradients, UpdateStep step) const {
  for_owned_pieces(state, [&](std::size_t, const Piece& piece, auto real) {
    using Real = decltype(real);
    step.weight_decay = weight_decay_[piece.parameter];
    adamw_update(step, piece.elements, as<Real>(sum_of(state, gradients, piece)),
                 as<Real>(state.piece(StateKind::weight, piece)),
                 as<Real>(state.piece(StateKind::exp_avg, piece)),
                 as<Real>(state.piece(StateKind::exp_avg_sq, piece)));
  });
}

void ShardedOptimizer::step_lamb(LaneState& state, GradientReducer& gradients, UpdateStep step) const {
  PieceSums squares(state.plan(), 2);  // {|weight|^2, |update|^2}
  for_owned_pieces(state, [&](std::size_t i, const Piece& piece, auto real) {
    using Real = decltype(real);
    step.weight_decay = weight_decay_[piece.parameter];
    Real* update = as<Real>(sum_of(state, gradients, piece));
    Real* weight = as<Real>(state.piece(StateKind::weight, piece));
    lamb_direction(step, piece.elements, update, weight, as<Real>(state.piece(StateKind::exp_avg, piece)),
                   as<Real>(state.piece(StateKind::exp_avg_sq, piece)));
    if (step.weight_decay == 0) return;
    squares.at(i, 0) = sum_of_squares(weight, piece.elements);
    squares.at(i, 1) = sum_of_squares(update, piece.elements);
  });
  communicator_.all_reduce_sum(squares.values());
  const std::vector<double> weights = squares.by_parameter(0);
  const std::vector<double> updates = squares.by_parameter(1);
  for_owned_pieces(state, [&](std::size_t, const Piece& piece, auto real) {
    using Real = decltype(real);
    const double w = std::sqrt(weights[piece.parameter]);
    const double u = std::sqrt(updates[piece.parameter]);
    const double trust_ratio = w > 0 && u > 0 ? w / u : 1.0;
    apply_update(step.lr * trust_ratio, piece.elements, as<Real>(sum_of(state, gradients, piece)),
                 as<Real>(state.piece(StateKind::weight, piece)));
  });
}

}  // namespace vitrail::sharding
