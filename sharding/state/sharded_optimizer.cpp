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

bool ShardedOptimizer::belongs(Of which, const ParameterRule& rule) const {
  const bool is_statistic = rule.statistic_share > 0;
  return which == Of::statistics ? is_statistic : !is_statistic && (which == Of::all || !rule.late);
}

ShardedOptimizer::Runs& ShardedOptimizer::runs(Of which, LaneState& state, GradientReducer& gradients) {
  Runs& known = runs_.at(static_cast<std::size_t>(which));
  std::vector<std::byte*> sums = gradients.sums();
  if (!known.sums.empty() && known.sums == sums) return known;
  known = {};
  known.sums = std::move(sums);
  known.list.scalars.resize(rules_.size());
  const bool has_squares = std::ranges::find(state.kinds(), StateKind::exp_avg_sq) != state.kinds().end();
  const auto width = static_cast<std::int64_t>(size_of(state.type()));
  const auto& pieces = state.plan().pieces;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const Piece& piece = pieces[p];
    if (!state.owns(piece) || !belongs(which, rules_[piece.parameter])) continue;
    for (std::int64_t first = 0; first < piece.elements; first += kUpdateRun) {
      const auto values = [&](StateKind kind) { return state.piece(kind, piece) + first * width; };
      UpdateRun& run = known.list.runs.emplace_back();
      known.pieces.push_back(p);
      run.elements = std::min(kUpdateRun, piece.elements - first);
      run.sum = known.sums[piece.bucket] + (state.offset_of(piece) + first) * width;
      run.weight = values(StateKind::weight);
      run.exp_avg = values(StateKind::exp_avg);
      if (has_squares) run.exp_avg_sq = values(StateKind::exp_avg_sq);
      run.scalars = static_cast<std::int64_t>(piece.parameter);
    }
  }
  return known;
}

void ShardedOptimizer::set_steps_of(UpdateList& list, double lr, double scale,
                                    std::span<const double> clips) const {
  const UpdateStep step = step_number(steps_, lr, scale), late = step_number(late_steps_ + 1, lr, scale);
  for (std::size_t p = 0; p < rules_.size(); ++p) {
    UpdateStep& own = list.scalars[p].step;
    own = rules_[p].late ? late : step;
    if (!clips.empty()) own.gradient_scale *= clips[p];
    own.weight_decay = weight_decay_scale_ * rules_[p].weight_decay;
    own.lr *= rules_[p].lr_scale;
  }
}

void ShardedOptimizer::follow_statistics(LaneState& state, GradientReducer& gradients, double scale) {
  UpdateList& list = runs(Of::statistics, state, gradients).list;
  for (std::size_t p = 0; p < rules_.size(); ++p)
    list.scalars[p] = {{.gradient_scale = scale}, rules_[p].statistic_share};
  state.device().compute().update(UpdateKernel::follow, state.type(), list, {});
}

// Adds the squares that the kernel gives for each run to its piece's, in the order of the runs.
void ShardedOptimizer::sum_runs(UpdateKernel kernel, LaneState& state, const GradientReducer& gradients,
                                Runs& all, PerTensorSums& sums) {
  std::vector<Squares> squares(all.list.runs.size());
  state.device().compute().update(kernel, state.type(), all.list, squares);
  for (std::size_t r = 0; r < squares.size(); ++r) {
    const std::size_t piece = all.pieces[r];
    if (!gradients.layout().own.contains(state.plan().pieces[piece].lane))
      continue;  // stage 0: its owner says
    sums.at(piece, 0) += squares[r].first;
    if (sums.columns() > kAfter) sums.at(piece, kAfter) += squares[r].second;
  }
}

PerTensorSums ShardedOptimizer::clip_own(LaneState& state, GradientReducer& gradients, double scale) {
  const std::size_t adaptive = adaptive_.is_on() ? AdaptiveClipping::kColumns : 0;
  PerTensorSums squares(state.plan(), 1 + (config_.clip_value > 0 || adaptive > 0 ? 1 : 0) + adaptive);
  Runs& all = runs(Of::all, state, gradients);
  for (UpdateScalars& scalars : all.list.scalars) scalars.factor = config_.clip_value / scale;
  sum_runs(UpdateKernel::clip, state, gradients, all, squares);
  if (adaptive_.is_on()) adaptive_.clip_whole_units(state, gradients, scale, squares, kAfter);
  return squares;
}

double ShardedOptimizer::gradient_norm(const PerTensorSums& squares, double scale) {
  return norm_of_column(squares, kBefore, scale);
}

double ShardedOptimizer::clip_the_rest(LaneState& state, GradientReducer& gradients, double scale,
                                       const PerTensorSums& squares) {
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
  Runs& all = runs(holds_late_ ? Of::early : Of::all, state, gradients);
  set_steps_of(all.list, lr, scale, clips);
  if (config_.name == OptimizerName::lamb) return step_lamb(state, gradients, all);
  const bool adamw = config_.name == OptimizerName::adamw;
  state.device().compute().update(adamw ? UpdateKernel::adamw : UpdateKernel::sgd, state.type(), all.list,
                                  {});
}

void ShardedOptimizer::step_lamb(LaneState& state, const GradientReducer& gradients, Runs& all) const {
  std::vector<UpdateScalars>& by_parameter = all.list.scalars;
  for (UpdateScalars& own : by_parameter) {
    own.factor = 1;
    if (config_.lamb_decoupled_decay && own.step.weight_decay != 0) {
      own.factor = 1 - own.step.lr * own.step.weight_decay;
      own.step.weight_decay = 0;
    }
  }
  PerTensorSums squares(state.plan(), 2);  // {|weight|^2, |update|^2}
  sum_runs(UpdateKernel::lamb_direction, state, gradients, all, squares);
  communicator_.all_reduce_sum(squares.values());
  const std::vector<double> weights = squares.by_parameter(0);
  const std::vector<double> updates = squares.by_parameter(1);
  for (std::size_t p = 0; p < by_parameter.size(); ++p) {
    const bool adapts = weight_decay_scale_ * rules_[p].weight_decay != 0 || config_.lamb_always_adapt;
    const double w = std::sqrt(weights[p]);
    const double u = std::sqrt(updates[p]);
    double trust_ratio = adapts && w > 0 && u > 0 ? w / u : 1.0;
    if (config_.lamb_trust_clip) trust_ratio = std::min(trust_ratio, 1.0);
    by_parameter[p].factor = by_parameter[p].step.lr * trust_ratio;
  }
  state.device().compute().update(UpdateKernel::apply_update, state.type(), all.list, {});
}

}  // namespace vitrail::sharding
