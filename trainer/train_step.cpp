#include "trainer/train_step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "sharding/state/weight_average.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/gradient_hooks.hpp"
#include "trainer/lane.hpp"
#include "trainer/watch/operator_trace.hpp"

namespace vitrail::trainer {
namespace {

using Span = StepPart;

// What ranks tell each other once a step, as doubles in one all-reduce. Each entry is filled by one rank and
// zero elsewhere (news: counted), so every rank reads what one rank alone would have written.
class StepReport {
 public:
  StepReport(std::int64_t lanes, std::size_t shared, const sharding::Communicator& ranks,
             sharding::PerTensorSums& squares)
      : lanes_(static_cast<std::size_t>(lanes)),
        world_(static_cast<std::size_t>(ranks.size())),
        shared_(shared),
        squares_(squares),
        values_(kSignals + (3 + shared_) * lanes_ + 2 * world_) {}

  double& save() { return values_[0]; }
  double& stop() { return values_[1]; }
  double& damage() { return values_[2]; }
  double& checkpoint_written() { return values_[3]; }
  double& loss(std::size_t lane) { return values_[kSignals + lane]; }

  // A 64-bit hash as two doubles that hold 32 bits each.
  void set_order(std::size_t lane, std::uint64_t hash) {
    values_[kSignals + lanes_ + 2 * lane] = static_cast<double>(hash >> 32);
    values_[kSignals + lanes_ + 2 * lane + 1] = static_cast<double>(hash & 0xffffffffU);
  }
  std::string order_hash() const {
    const auto orders = std::span(values_).subspan(kSignals + lanes_, 2 * lanes_);
    return fmt::format("{:016x}", hash_bytes(std::as_bytes(orders)).low);
  }
  void set_shared(std::size_t lane, const std::vector<double>& values) {
    std::ranges::copy(values, values_.begin() + first_shared(lane));
  }
  LaneValues shared() const {
    return {std::span(values_).subspan(static_cast<std::size_t>(first_shared(0)), shared_ * lanes_), lanes_};
  }
  void set_work(int rank, const OwnWork& work) {
    double* const entry = &values_[kSignals + (3 + shared_) * lanes_ + 2 * static_cast<std::size_t>(rank)];
    entry[0] = work.data;
    entry[1] = work.compute;
  }
  std::vector<OwnWork> work() const {
    std::vector<OwnWork> by_rank;
    for (std::size_t i = kSignals + (3 + shared_) * lanes_; i < values_.size(); i += 2)
      by_rank.push_back({values_[i], values_[i + 1]});
    return by_rank;
  }
  double mean_loss() {
    double sum = 0;
    for (std::size_t lane = 0; lane < lanes_; ++lane) sum += loss(lane);
    return sum / static_cast<double>(lanes_);
  }
  void exchange(sharding::Communicator& communicator) {
    const std::size_t own = values_.size();
    values_.insert(values_.end(), squares_.values().begin(), squares_.values().end());
    communicator.all_reduce_sum(values_);
    std::copy(values_.begin() + static_cast<std::ptrdiff_t>(own), values_.end(), squares_.values().begin());
    values_.resize(own);
  }

 private:
  static constexpr std::size_t kSignals = 4;

  std::ptrdiff_t first_shared(std::size_t lane) const {
    return static_cast<std::ptrdiff_t>(kSignals + 3 * lanes_ + shared_ * lane);
  }

  std::size_t lanes_, world_, shared_;
  sharding::PerTensorSums& squares_;
  std::vector<double> values_;
};

struct LaneResult {
  at::Tensor loss;
  std::uint64_t order;         // hash of the sample ids
  std::vector<double> shared;  // by the task
  datasets::LaneBatch batch;   // until the device is done with it
  std::shared_ptr<const sharding::Mark> done;

  void finish() {
    done->wait();
    batch = {};
  }
};

// Forward and backward of one lane, or of a group of them as one; its gradients go to the reducer as backward
// finishes them. A GPU may still be at it.
LaneResult run_lane(StepContext& c, const TrainState& state) {
  const std::int64_t step = state.step;
  double loss_scale = state.loss_scale.scale;
  c.phases.enter(Phase::data, step + 1);
  std::optional<Span> doing(std::in_place, c.trace, "wait for data");
  datasets::LaneBatch batch = next_lanes(c.loader, c.config.model.batch_norm_lanes);
  c.phases.enter(Phase::forward, step + 1);
  doing.emplace(c.trace, fmt::format("forward of lane {}", batch.lane));
  models::Pass pass;
  pass.training = true;
  pass.seed = c.config.run.seed;
  pass.step = static_cast<std::uint64_t>(step);
  pass.lane = static_cast<std::uint64_t>(batch.lane);
  pass.drop_path_scale = c.schedule.drop_path_scale(step);
  pass.before_block = [&c](int block) {
    const Span waiting(c.trace, fmt::format("wait for weights of block {}", block));
    c.student.wait_for(block);
  };

  std::vector<std::pair<std::size_t, at::Tensor>> statistics;
  pass.batch_statistic = [&](std::size_t parameter, const at::Tensor& value) {
    if (!c.frozen.contains(parameter)) statistics.emplace_back(parameter, value);
  };

  pass.follows_batch = [&](std::size_t parameter) { return !c.frozen.contains(parameter); };

  std::vector<double> shared(c.task.shared_values());
  const LaneSamples samples = samples_of(batch, c.task, c.student, c.images);
  at::Tensor loss = loss_of_lane(c.task, c.student, c.teacher, samples, {state.task, c.rows}, pass, shared);
  if (c.phases.injects(FaultKind::spike, step + 1)) loss = loss * 1000;
  if (c.phases.injects(FaultKind::nan, step + 1)) loss_scale = std::numeric_limits<double>::quiet_NaN();

  c.phases.enter(Phase::backward, step + 1);
  doing.emplace(c.trace, fmt::format("backward of lane {}", batch.lane));
  c.gradients.begin_lane(batch.lane);
  c.frozen.add_to(c.gradients);
  // They take the gradients' way, and its scale: the mean over lanes comes out.
  for (const auto& [parameter, value] : statistics) hand_over(value * loss_scale, parameter, c.gradients);
  (loss * loss_scale).backward();
  c.gradients.end_lane();
  c.student.gather.finish();  // what a GPU is waited for from here on is its own work
  if (c.teacher != nullptr) c.teacher->gather.finish();
  const std::uint64_t order = hash_bytes(std::as_bytes(std::span(batch.sample_ids))).low;
  return {loss.detach(), order, std::move(shared), std::move(batch), c.lane_state.device().compute().mark()};
}

// The host gives a GPU the next lane while it is at this one, and waits for the one before.
std::vector<LaneResult> run_lanes(StepContext& c, const TrainState& state) {
  std::vector<LaneResult> lanes;
  const sharding::LaneRange range = c.gradients.layout().lanes;
  for (std::int64_t lane = range.begin; lane < range.end; ++lane) {
    lanes.push_back(run_lane(c, state));
    if (lanes.size() > 1) lanes[lanes.size() - 2].finish();
  }
  lanes.back().finish();
  return lanes;
}

// Read from the device at once.
std::vector<double> losses_of(const std::vector<LaneResult>& lanes) {
  std::vector<at::Tensor> losses;
  for (const LaneResult& lane : lanes) losses.push_back(lane.loss);
  const at::Tensor all = at::stack(losses).to(at::kCPU, at::kDouble);
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

// An injected fault: memory that lost a bit.
void flip_a_sign(StepContext& c) {
  c.student.gather.finish();
  const at::NoGradGuard no_gradient;
  c.student.parameters.tensors().front().view({-1}).slice(0, 0, 1).neg_();
}

// Half precision may overflow now and then: such a step is left out. Else, or without end, training has
// diverged.
void check_finite(const StepResult& result, const Config& config, const sharding::LossScale& after) {
  const Precision precision = config.precision.compute;
  const bool guarded = config.guard.loss_factor > 0;  // which rolls back to a checkpoint
  const bool half = is_half(precision);
  if (half ? !sharding::is_hopeless(after) : guarded) return;
  if (!half && !result.skipped && std::isfinite(result.loss)) return;
  throw Error(ExitCode::diverged,
              fmt::format("training diverged: loss {}, gradient norm {}{}", result.loss, result.grad_norm,
                          half ? fmt::format(", after {} skipped steps{}", after.skipped_at_floor,
                                             precision == Precision::fp16 ? " at the lowest loss scale" : "")
                               : ""),
              "lower optimizer.lr, lengthen schedule.warmup or set optimizer.clip_norm, and begin a new run");
}

}  // namespace

sharding::LossScaleConfig loss_scale_rule(const PrecisionConfig& precision) {
  return precision.compute == Precision::fp16 ? precision.loss_scale
                                              : sharding::LossScaleConfig{.initial = 1, .window = 0};
}

StepResult train_step(StepContext& c, TrainState& state, const StepSignals& own, const OwnWork& work) {
  // 1. Every lane, or group of lanes, of this rank: batch -> logits -> loss -> gradients, added into the tree
  // over lanes.
  const std::vector<LaneResult> lanes = run_lanes(c, state);
  const std::vector<double> losses = losses_of(lanes);

  // 2. The sum over all lanes; each rank keeps the slices of its own lanes.
  c.phases.enter(Phase::reduce, state.step + 1);
  std::optional<Span> doing(std::in_place, c.trace, "wait for gradients");
  c.gradients.exchange();

  // 3. One small exchange: losses, order, wishes, and the squares that make the norm of the whole gradient.
  // Lane losses are means, so the mean gradient is the sum over L.
  doing.emplace(c.trace, "norms and report");
  const std::int64_t shares = c.config.lane_groups();
  const double scale = 1.0 / (static_cast<double>(shares) * state.loss_scale.scale);
  sharding::PerTensorSums squares = c.optimizer.clip_own(c.lane_state, c.gradients, scale);
  StepReport report(shares, c.task.shared_values(), c.communicator, squares);
  report.save() = own.save ? 1 : 0;
  report.stop() = own.stop ? 1 : 0;
  report.damage() = c.loader.has_damage_news() ? 1 : 0;
  report.checkpoint_written() = own.checkpoint_written ? 1 : 0;
  report.set_work(c.communicator.rank(), work);
  const auto first = static_cast<std::size_t>(c.gradients.layout().lanes.begin);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    report.loss(first + i) = losses[i];
    report.set_order(first + i, lanes[i].order);
    report.set_shared(first + i, lanes[i].shared);
  }
  report.exchange(c.communicator);

  c.phases.enter(Phase::update, state.step + 1);
  doing.emplace(c.trace, "update");

  // 4. What all ranks now know alike.
  StepResult result;
  result.loss = report.mean_loss();
  result.grad_norm = sharding::ShardedOptimizer::gradient_norm(squares, scale);
  result.lr = c.schedule.lr(state.step);
  result.weight_decay = c.schedule.weight_decay(state.step);
  result.order_hash = report.order_hash();
  result.agreed = {report.save() > 0, report.stop() > 0, report.damage() > 0,
                   report.checkpoint_written() == c.communicator.size()};
  result.work = report.work();
  result.loss_scale = state.loss_scale.scale;
  result.skipped = !std::isfinite(result.grad_norm);
  state.loss_scale = after_step(state.loss_scale, loss_scale_rule(c.config.precision), !result.skipped);
  check_finite(result, c.config, state.loss_scale);

  // 5. Clip and update the master weights of this rank's lanes, and their average; what the task remembers.
  c.optimizer.scale_weight_decay(c.schedule.weight_decay_scale(state.step));
  if (!result.skipped) {
    c.task.after_exchange(report.shared(), state.task, c.rows);
    c.task.before_update(state.step, c.optimizer, state.task);
    c.optimizer.step(c.lane_state, c.gradients, result.lr, scale, squares);
    c.task.after_update(state.step, c.lane_state, state.task);
  }
  if (c.teacher != nullptr) {
    sharding::update_average(c.lane_state, c.task.teacher_momentum(state.step));
  } else if (c.config.ema.decay > 0) {
    sharding::update_average(c.lane_state, sharding::average_decay(c.config.ema, state.step + 1));
  }

  // 6. The new weights of all lanes, on their way while the next forward pass begins.
  doing.emplace(c.trace, "new weights");
  c.student.start_publishing();
  if (c.teacher != nullptr) c.teacher->start_publishing();

  ++state.step;
  if (c.phases.injects(FaultKind::flip, state.step)) flip_a_sign(c);
  state.optimizer_steps = c.optimizer.steps();
  return result;
}

}  // namespace vitrail::trainer
