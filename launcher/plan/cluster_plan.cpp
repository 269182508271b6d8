#include "launcher/plan/cluster_plan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "launcher/plan/exchanges.hpp"
#include "launcher/plan/timeline.hpp"
#include "models/families/catalogue.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "sharding/plan/memory_plan.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"
#include "trainer/settings/sample_cost.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/sharding_plan.hpp"

namespace vitrail::launcher {
namespace {

using sharding::Bucket;
using trainer::Config;

constexpr double kFlopsPerMac = 2;

// Bytes of memory that a parameter moves: the update (as tests/bench/README.md counts them), the average, the
// new weights.
constexpr double kAverageBytes = 12, kTakeBytes = 6;
double update_bytes(sharding::OptimizerName name) {
  if (name == sharding::OptimizerName::lamb) return 44;
  return name == sharding::OptimizerName::adamw ? 28 : 20;
}

// Likewise, for the last of so many lanes of a rank: its gradient and the sums that it completes are read,
// one is written.
double lane_sum_bytes(std::int64_t lanes, DataType compute, const sharding::ReducerOptions& sums) {
  const int completed = std::countr_zero(static_cast<std::uint64_t>(lanes));
  return static_cast<double>(size_of(compute)) +
         static_cast<double>(size_of(sums.matrix_type)) * (completed + 1);
}

void refuse_impossible(const PlanInput& in) {
  const std::int64_t lanes = in.config.run.lanes, ranks = in.ranks;
  if (ranks > lanes) {
    throw Error(ExitCode::refused,
                fmt::format("{} ranks with run.lanes = {}: a rank without a lane would have nothing to do",
                            ranks, lanes),
                fmt::format("plan for at most {} ranks, or set run.lanes = {} for a new run", lanes,
                            std::bit_ceil(static_cast<std::uint64_t>(ranks))));
  }
  trainer::check_groups(in.config, ranks);
}

models::ModelConfig teacher_of(const Config& config) {
  models::ModelConfig teacher;
  teacher.name = config.distillation.teacher_model;
  teacher.image_size = config.distillation.teacher_image_size.value_or(config.model.image_size);
  teacher.classes = config.model.classes;
  if (teacher.name.empty())
    throw Error(ExitCode::refused,
                "distillation.teacher_model is empty: a plan does not open the teacher's checkpoint",
                "set distillation.teacher_model");
  return teacher;
}

bool is_distilled(const Config& config) {
  return config.distillation.type != trainer::DistillationType::none;
}

PlannedMemory memory_of(const PlanInput& in, const Layout& layout) {
  const sharding::MemoryPlan shared =
      sharding::memory_plan(layout.plan, layout.exchange, layout.settings,
                            {layout.compute, layout.kinds, trainer::count_networks(in.config)});
  const std::int64_t images = in.images_at_once();
  models::ModelConfig largest = trainer::network_of(in.config);
  largest.drop_path =
      1 - static_cast<double>(models::largest_kept(largest.drop_path, images)) / static_cast<double>(images);
  PlannedMemory memory;
  memory.weights = static_cast<double>(shared.weights);
  memory.state = static_cast<double>(shared.state);
  memory.gradients = static_cast<double>(shared.gradients);
  memory.exchange = static_cast<double>(shared.exchange);
  memory.full_sums = shared.full_sums;
  memory.activations =
      static_cast<double>(trainer::sample_cost(in.config, largest).activation_bytes * images) *
      static_cast<double>(size_of(layout.compute)) / static_cast<double>(size_of(DataType::f32));
  if (is_distilled(in.config)) {
    memory.teacher = static_cast<double>(models::describe_model(teacher_of(in.config)).params) *
                     static_cast<double>(size_of(layout.compute));
  }
  memory.samples = static_cast<double>(trainer::remembered_bytes(in.config, in.samples));
  memory.reserve = in.reserve_gb * 1e9;
  return memory;
}

double sum_of(const std::vector<Exchange>& exchanges) {
  double seconds = 0;
  for (const Exchange& exchange : exchanges) seconds += exchange.seconds;
  return seconds;
}

// Floating-point operations of one sample.
struct Work {
  double forward, backward, deviation;

  explicit Work(const Config& config) {
    const trainer::SampleCost cost = trainer::sample_cost(config, trainer::network_of(config));
    forward = kFlopsPerMac * (cost.student + cost.teacher);
    backward = kFlopsPerMac * (2 * cost.student + cost.again);
    deviation = kFlopsPerMac * (3 + cost.again / cost.student) * cost.deviation;
    if (is_distilled(config))
      forward += kFlopsPerMac * static_cast<double>(models::describe_model(teacher_of(config)).macs);
  }
};

void plan_exchanges(const PlanInput& in, const Layout& layout, const Links& links, double forward,
                    double backward, ClusterPlan& plan) {
  const std::vector<Bucket>& buckets = layout.plan.buckets;
  // NCCL's own gather, where slices lie in the order of ranks and ranks have as many.
  const bool rings = in.config.sharding.communicator != sharding::CommunicatorKind::mpi &&
                     in.config.lane_groups() % in.ranks == 0 &&
                     slice_order(layout.exchange.route) == sharding::SliceOrder::by_rank;
  const std::vector<Exchange> gradients = gradient_exchanges(layout, links);
  const std::vector<Exchange> weights = weight_exchanges(layout, links, rings);
  for (const Bucket& bucket : buckets) {
    plan.traffic.gradients += layout.gradient_slice(bucket) * layout.sums_sent();
    if (layout.gathers_weights()) plan.traffic.weights += layout.weight_slice(bucket) * layout.weights_sent();
  }
  if (in.ranks == 1) return;
  const bool overlap = in.config.sharding.overlap;
  plan.step.gradients = overlap ? exposed_after_backward(backward, gradients) : sum_of(gradients);
  plan.step.weights = overlap ? exposed_in_forward(forward, weights) : sum_of(weights);
  plan.hidden_gradients = std::max(0.0, sum_of(gradients) - plan.step.gradients);
  plan.hidden_weights = std::max(0.0, sum_of(weights) - plan.step.weights);
}

// What each lane and each rank report and the sums of squares of all pieces; LAMB sums those of weights and
// updates, too.
double norm_seconds(const PlanInput& in, const Layout& layout, const Links& links) {
  const auto pieces = static_cast<double>(layout.plan.pieces.size());
  const double report =
      4 + 3 * static_cast<double>(in.config.lane_groups()) + 2 * static_cast<double>(in.ranks) + pieces;
  const double shared = static_cast<double>(trainer::shared_numbers(in.config));
  const double lamb =
      in.config.optimizer.name == sharding::OptimizerName::lamb ? links.sum(8 * 2 * pieces) : 0;
  return links.sum(8 * (report + shared)) + lamb;
}

PlannedCheckpoint plan_checkpoint(const PlanInput& in) {
  PlannedCheckpoint checkpoint;
  const auto ranks = static_cast<double>(in.ranks);
  checkpoint.bytes = static_cast<double>(trainer::checkpoint_bytes(in.config, in.samples));
  checkpoint.copy_s = checkpoint.bytes / ranks / (in.copy_gb_per_s * 1e9);
  checkpoint.write_s = checkpoint.bytes / (in.write_gb_per_s * 1e9);
  checkpoint.failure_s = in.failure_gpu_hours * 3600 / ranks;
  // Beside the run, too, one is not begun before the last one is written.
  checkpoint.best_beside_s =
      std::max(checkpoint.write_s, best_interval(checkpoint.copy_s, checkpoint.failure_s));
  checkpoint.best_waiting_s = best_interval(checkpoint.write_s, checkpoint.failure_s);
  return checkpoint;
}

void plan_data(const PlanInput& in, double images, ClusterPlan& plan) {
  const auto batch = static_cast<double>(in.config.data.global_batch_size);
  if (!in.config.data.train.starts_with("tensor:")) {
    const double decoding = images / (static_cast<double>(in.config.data.workers) * in.core_images_per_s);
    plan.step.data = std::max(0.0, decoding - plan.step.total());
    plan.cores = images / (plan.step.total() - plan.step.data) / in.core_images_per_s;
  }
  plan.images_per_s = batch / plan.step.total();
  plan.read_mb_per_s = plan.images_per_s * in.record_kb / 1e3;
  plan.hours = static_cast<double>(in.steps) * plan.step.total() / 3600;
}

}  // namespace

ClusterPlan plan_cluster(const PlanInput& in) {
  refuse_impossible(in);
  const Layout layout(in);
  const Links links(in);
  const Work work(in.config);
  const double speed = in.gpu.tflops * 1e12 * in.mfu;
  const auto lanes = static_cast<double>(layout.most_lanes),
             lane_images = static_cast<double>(in.images_at_once());
  const double forward = work.forward * lane_images / speed, backward = work.backward * lane_images / speed;
  const auto elements = static_cast<double>(layout.plan.padded_elements());
  const double held = layout.gathers_weights() ? lanes / static_cast<double>(layout.plan.lanes) : 1;
  const double per_element = update_bytes(in.config.optimizer.name) + kTakeBytes +
                             (trainer::has_average(in.config) ? kAverageBytes : 0);

  ClusterPlan plan;
  plan.memory = memory_of(in, layout);
  plan.exchange = in.ranks == 1 ? "none" : name_of(layout.exchange.route);
  plan.macs = models::describe_model(in.config.model).macs_in_training;
  plan.step.compute = lanes * (forward + backward);
  double last_lane_sum = 0;
  for (std::int64_t lane = 1; lane <= layout.most_lanes; ++lane) {
    last_lane_sum = elements * lane_sum_bytes(lane, layout.compute, layout.settings) / links.memory;
    plan.step.lane_sums += last_lane_sum;
  }
  plan.step.update = held * elements * per_element / links.memory;
  plan_exchanges(in, layout, links, forward, backward + last_lane_sum, plan);
  plan.step.norms = norm_seconds(in, layout, links);
  if (in.ranks > 1) {
    plan.step.stragglers =
        work.deviation * std::sqrt(lanes * lane_images) / speed * largest_of_normals(layout.fullest_ranks);
  }
  plan.checkpoint = plan_checkpoint(in);
  plan_data(in, lanes * lane_images, plan);
  return plan;
}

PlannedMemory plan_memory(const PlanInput& in) {
  refuse_impossible(in);
  return memory_of(in, Layout(in));
}

bool fits(const PlanInput& in, const PlannedMemory& memory) {
  return memory.total() <= in.gpu.memory_gb * 1e9;
}

bool fits(const PlanInput& in) { return fits(in, plan_memory(in)); }

std::string limit_of(const PlannedStep& step) {
  if (step.data > 0) return "decoding (data.workers)";
  const std::vector<std::pair<double, std::string>> parts = {
      {step.compute, "computation"},
      {step.lane_sums + step.update, "the devices' memory bandwidth"},
      {step.gradients + step.norms + step.weights, "communication"},
      {step.stragglers, "ranks that keep most rows"}};
  return std::ranges::max(parts).second;
}

}  // namespace vitrail::launcher
