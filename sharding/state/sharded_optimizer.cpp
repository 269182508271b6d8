#include "sharding/state/sharded_optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vitrail::sharding {
namespace {

constexpr double kClipEps = 1e-6;  // of torch.nn.utils.clip_grad_norm_, and of DINO's clipping

// Squares of the gradient: before any clipping, and behind that of its elements and units.
constexpr std::size_t kBefore = 0, kAfter = 1;

std::vector<std::int64_t> units_of(const std::vector<ParameterRule>& rules) {
  std::vector<std::int64_t> units;
  for (const ParameterRule& rule : rules) units.push_back(rule.statistic_share > 0 ? 0 : rule.unit);
  return units;
}

// `clips`: factors by parameter; empty: none.
double norm_of_column(const PerTensorSums& squares, std::size_t column, double scale,
                      std::span<const double> clips = {}) {
  const std::vector<double> by_parameter = squares.by_parameter(column);
  double total = 0;
  for (std::size_t p = 0; p < by_parameter.size(); ++p)
    total += clips.empty() ? by_parameter[p] : by_parameter[p] * clips[p] * clips[p];
  return std::sqrt(total) * scale;
}

}  // namespace

std::vector<StateKind> state_kinds(OptimizerName name, bool average) {
  std::vector<StateKind> kinds = {StateKind::weight, StateKind::exp_avg};
  if (name != OptimizerName::sgd) kinds.push_back(StateKind::exp_avg_sq);
  if (average) kinds.push_back(StateKind::ema);
  return kinds;
}

ShardedOptimizer::ShardedOptimizer(const OptimizerConfig& config, std::vector<ParameterRule> rules,
                                   Communicator& communicator)
    : config_(config),
      rules_(std::move(rules)),
      adaptive_(config.clip_adaptive, units_of(rules_)),
      communicator_(communicator) {}

void ShardedOptimizer::add_runs(LaneState& state, GradientReducer& gradients, std::size_t p,
                                const UpdateStep& step, Runs& all) const {
  const bool has_squares = std::ranges::find(state.kinds(), StateKind::exp_avg_sq) != state.kinds().end();
  const auto width = static_cast<std::int64_t>(size_of(state.type()));
  const Piece& piece = state.plan().pieces[p];
  for (std::int64_t first = 0; first < piece.elements; first += kUpdateRun) {
    const auto values = [&](StateKind kind) { return state.piece(kind, piece) + first * width; };
    UpdateRun& run = all.runs.emplace_back();
    all.pieces.push_back(p);
    run.elements = std::min(kUpdateRun, piece.elements - first);
    run.sum = gradients.sum(piece.bucket) + (state.offset_of(piece) + first) * width;
    run.weight = values(StateKind::weight);
    run.exp_avg = values(StateKind::exp_avg);
    if (has_squares) run.exp_avg_sq = values(StateKind::exp_avg_sq);
    run.step = step;
  }
}

ShardedOptimizer::Runs ShardedOptimizer::owned_runs(LaneState& state, GradientReducer& gradients,
                                                    const UpdateStep& step,
                                                    const std::optional<UpdateStep>& late,
                                                    std::span<const double> clips) const {
  Runs all;
  const auto& pieces = state.plan().pieces;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const ParameterRule& rule = rules_[pieces[p].parameter];
    if (!state.owns(pieces[p]) || rule.statistic_share > 0 || (rule.late && !late)) continue;
    UpdateStep own = rule.late ? *late : step;
    if (!clips.empty()) own.gradient_scale *= clips[pieces[p].parameter];
    own.weight_decay = weight_decay_scale_ * rule.weight_decay;
    own.lr *= rule.lr_scale;
    add_runs(state, gradients, p, own, all);
  }
  return all;
}

void ShardedOptimizer::follow_statistics(LaneState& state, GradientReducer& gradients, double scale) const {
  Runs all;
  const auto& pieces = state.plan().pieces;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const double share = rules_[pieces[p].parameter].statistic_share;
    if (!state.owns(pieces[p]) || share == 0) continue;
    const std::size_t first = all.runs.size();
    add_runs(state, gradients, p, {.gradient_scale = scale}, all);
    for (std::size_t r = first; r < all.runs.size(); ++r) all.runs[r].factor = share;
  }
  state.device().compute().update(UpdateKernel::follow, state.type(), all.runs, {});
}

// Adds the squares that the kernel gives for each run to its piece's, in the order of the runs.
void ShardedOptimizer::sum_runs(UpdateKernel kernel, LaneState& state, const GradientReducer& gradients,
                                const Runs& all, PerTensorSums& sums) {
  std::vector<Squares> squares(all.runs.size());
  state.device().compute().update(kernel, state.type(), all.runs, squares);
  for (std::size_t r = 0; r < squares.size(); ++r) {
    const std::size_t piece = all.pieces[r];
    if (!gradients.layout().own.contains(state.plan().pieces[piece].lane))
      continue;  // stage 0: its owner says
    sums.at(piece, 0) += squares[r].first;
    if (sums.columns() > kAfter) sums.at(piece, kAfter) += squares[r].second;
  }
}

PerTensorSums ShardedOptimizer::clip_own(LaneState& state, GradientReducer& gradients, double scale) const {
  const std::size_t adaptive = adaptive_.is_on() ? AdaptiveClipping::kColumns : 0;
  PerTensorSums squares(state.plan(), 1 + (config_.clip_value > 0 || adaptive > 0 ? 1 : 0) + adaptive);
  Runs all = owned_runs(state, gradients, {}, UpdateStep(), {});
  for (UpdateRun& run : all.runs) run.factor = config_.clip_value / scale;
  sum_runs(UpdateKernel::clip, state, gradients, all, squares);
  if (adaptive_.is_on()) adaptive_.clip_whole_units(state, gradients, scale, squares, kAfter);
  return squares;
}

double ShardedOptimizer::gradient_norm(const PerTensorSums& squares, double scale) {
  return norm_of_column(squares, kBefore, scale);
}

double ShardedOptimizer::clip_the_rest(LaneState& state, GradientReducer& gradients, double scale,
                                       const PerTensorSums& squares) const {
  if (adaptive_.is_on())
    return std::sqrt(adaptive_.clip_cut_units(state, gradients, scale, squares, kAfter)) * scale;
  return norm_of_column(squares, squares.columns() - 1, scale);
}

UpdateStep ShardedOptimizer::step_number(std::int64_t steps, double lr, double scale) const {
  const auto t = static_cast<double>(steps);
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
  return step;
}

// By parameter, as DINO's code clips: each norm by itself.
std::vector<double> ShardedOptimizer::tensor_clips(const PerTensorSums& squares, double scale) const {
  if (config_.clip_tensor == 0) return {};
  std::vector<double> clips;
  for (const double square : squares.by_parameter(squares.columns() - 1))
    clips.push_back(std::min(1.0, config_.clip_tensor / (std::sqrt(square) * scale + kClipEps)));
  return clips;
}

void ShardedOptimizer::step(LaneState& state, GradientReducer& gradients, double lr, double scale,
                            const PerTensorSums& squares) {
  ++steps_;
  follow_statistics(state, gradients, scale);
  const std::vector<double> clips = tensor_clips(squares, scale);
  // Of what is left so far; clip_adaptive and clip_tensor exclude each other.
  double norm = clips.empty() ? clip_the_rest(state, gradients, scale, squares)
                              : norm_of_column(squares, squares.columns() - 1, scale, clips);
  if (config_.clip_norm > 0) {  // torch.nn.utils.clip_grad_norm_
    const double clip = std::min(1.0, config_.clip_norm / (norm + kClipEps));
    scale *= clip;
    norm *= clip;
  }
  if (config_.name == OptimizerName::lamb && config_.lamb_max_grad_norm > 0) {
    scale /= std::max(1.0, norm / config_.lamb_max_grad_norm);
  }
  std::optional<UpdateStep> late;
  if (!holds_late_) late = step_number(late_steps_ + 1, lr, scale);
  Runs all = owned_runs(state, gradients, step_number(steps_, lr, scale), late, clips);
  if (config_.name == OptimizerName::lamb) return step_lamb(state, gradients, all);
  const bool adamw = config_.name == OptimizerName::adamw;
  state.device().compute().update(adamw ? UpdateKernel::adamw : UpdateKernel::sgd, state.type(), all.runs,
                                  {});
}

void ShardedOptimizer::step_lamb(LaneState& state, const GradientReducer& gradients, Runs& all) const {
  const auto parameter_of = [&](std::size_t run) { return state.plan().pieces[all.pieces[run]].parameter; };
  for (UpdateRun& run : all.runs) {
    run.factor = 1;
    if (config_.lamb_decoupled_decay && run.step.weight_decay != 0) {
      run.factor = 1 - run.step.lr * run.step.weight_decay;
      run.step.weight_decay = 0;
    }
  }
  PerTensorSums squares(state.plan(), 2);  // {|weight|^2, |update|^2}
  sum_runs(UpdateKernel::lamb_direction, state, gradients, all, squares);
  communicator_.all_reduce_sum(squares.values());
  const std::vector<double> weights = squares.by_parameter(0);
  const std::vector<double> updates = squares.by_parameter(1);
  for (std::size_t r = 0; r < all.runs.size(); ++r) {
    const std::size_t parameter = parameter_of(r);
    const bool adapts =
        weight_decay_scale_ * rules_[parameter].weight_decay != 0 || config_.lamb_always_adapt;
    const double w = std::sqrt(weights[parameter]);
    const double u = std::sqrt(updates[parameter]);
    double trust_ratio = adapts && w > 0 && u > 0 ? w / u : 1.0;
    if (config_.lamb_trust_clip) trust_ratio = std::min(trust_ratio, 1.0);
    all.runs[r].factor = all.runs[r].step.lr * trust_ratio;
  }
  state.device().compute().update(UpdateKernel::apply_update, state.type(), all.runs, {});
}

}  // namespace vitrail::sharding
