#include "launcher/plan/search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "sharding/plan/shard_layout.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/sharding_plan.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::int64_t kMostRanks = 65536;

// A plan that is a little different, and the words that say how.
using Change = std::pair<std::string, PlanInput>;

bool frees_gradients(const PlanInput& in) {
  return sharding::stage_of(in.config.sharding.stage).frees_gradients;
}

PlanInput with_checkpointing(PlanInput in, const std::string& how) {
  in.config.model.activation_checkpointing = how;
  return in;
}

void add_more_ranks(const PlanInput& in, const std::string& besides, std::vector<Change>& changes) {
  if (frees_gradients(in)) return;
  for (auto ranks = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(in.ranks) + 1));
       ranks <= in.config.lane_groups(); ranks *= 2) {
    PlanInput more = in;
    more.ranks = ranks;
    changes.emplace_back(fmt::format("plan for {} ranks{}", ranks, besides), more);
  }
}

void add_stage_2(const PlanInput& in, const std::string& besides, std::vector<Change>& changes) {
  if (frees_gradients(in)) return;
  PlanInput stage = in;
  stage.config.sharding.stage = 2;
  stage.ranks = in.config.lane_groups();
  changes.emplace_back(fmt::format("set sharding.stage = 2 on {} ranks{}", stage.ranks, besides), stage);
}

// Whether lanes share a batch evenly, and mixing finds pairs in each.
bool can_share(const PlanInput& in, std::int64_t batch, std::int64_t lanes) {
  const bool mixes = in.config.augment.mixup > 0 || in.config.augment.cutmix > 0;
  return batch % (mixes ? 2 * lanes : lanes) == 0;
}

// Smaller lane batches: another run, for mixing pairs the images of a lane.
void add_more_lanes(const PlanInput& in, std::vector<Change>& changes) {
  const std::string& now = in.config.model.activation_checkpointing;
  for (std::int64_t lanes = in.config.run.lanes * 2; can_share(in, in.config.data.global_batch_size, lanes);
       lanes *= 2) {
    for (const std::string& how : {now, std::string("block")}) {
      for (const std::int64_t ranks : {in.ranks, lanes / in.config.model.batch_norm_lanes}) {
        PlanInput more = with_checkpointing(in, how);
        more.config.run.lanes = lanes;
        more.ranks = ranks;
        if (frees_gradients(more) && ranks != more.config.lane_groups()) continue;
        changes.emplace_back(fmt::format("set run.lanes = {} for a new run{}{}", lanes,
                                         how == now ? "" : ", with model.activation_checkpointing = " + how,
                                         ranks == in.ranks ? "" : fmt::format(", on {} ranks", ranks)),
                             more);
      }
    }
  }
}

}  // namespace

PlanInput scaled(PlanInput in, std::int64_t ranks, std::int64_t batch) {
  const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(1, batch / in.lane_images()));
  const std::int64_t together = in.config.model.batch_norm_lanes;
  in.config.run.lanes =
      std::max(static_cast<std::int64_t>(std::bit_floor(wanted)),
               together * static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(ranks))));
  in.config.data.global_batch_size = batch;
  if (frees_gradients(in)) in.config.run.lanes = together * ranks;
  in.ranks = ranks;
  return in;
}

std::vector<PlanInput> at_powers_of_two(const PlanInput& in, std::int64_t batch, std::int64_t most) {
  std::vector<PlanInput> plans;
  for (std::int64_t ranks = 1; ranks <= most; ranks *= 2) {
    const PlanInput plan = scaled(in, ranks, batch);
    if (!can_share(in, batch, plan.config.run.lanes)) break;
    plans.push_back(plan);
  }
  return plans;
}

std::int64_t most_ranks(const PlanInput& in, std::int64_t batch, double share) {
  std::int64_t most = 0;
  for (const PlanInput& plan : at_powers_of_two(in, batch, kMostRanks)) {
    if (fits(plan) && plan_cluster(plan).step.exposed_share() <= share) most = plan.ranks;
  }
  return most;
}

std::string smallest_change(const PlanInput& in) {
  const std::string& now = in.config.model.activation_checkpointing;
  if (!sharding::stage_of(in.config.sharding.stage).shards_state) {
    PlanInput sharded = in;
    sharded.config.sharding.stage = 1;
    if (fits(sharded)) return "set sharding.stage = 1";
    const std::string more = smallest_change(sharded);
    return more.empty() ? "" : "set sharding.stage = 1; " + more;
  }
  std::vector<Change> changes;
  std::vector<std::string> checkpointing;
  if (now == "none") checkpointing = {"attention", "block"};
  if (now == "attention") checkpointing = {"block"};
  for (const std::string& how : checkpointing) {
    changes.emplace_back("set model.activation_checkpointing = " + how, with_checkpointing(in, how));
  }
  add_more_ranks(in, "", changes);
  add_stage_2(in, "", changes);
  for (const std::string& how : checkpointing) {
    const std::string besides = " and set model.activation_checkpointing = " + how;
    add_more_ranks(with_checkpointing(in, how), besides, changes);
    add_stage_2(with_checkpointing(in, how), besides, changes);
  }
  add_more_lanes(in, changes);
  const auto found = std::ranges::find_if(changes, [](const Change& change) { return fits(change.second); });
  return found == changes.end() ? "" : found->first;
}

namespace {

// Half as many steps of twice as many images, by lanes as large.
PlanInput with_larger_batch(const PlanInput& in) {
  PlanInput larger = in;
  larger.config.data.global_batch_size *= 2;
  larger.config.run.lanes *= 2;
  larger.steps = (in.steps + 1) / 2;
  return larger;
}

std::vector<Change> possible_remedies(const PlanInput& in, const ClusterPlan& now) {
  std::vector<Change> all;
  const auto ranks = static_cast<std::uint64_t>(in.ranks);
  for (const std::uint64_t power : {std::bit_ceil(ranks) / 2, std::bit_ceil(ranks + 1)}) {
    PlanInput others = in;
    others.ranks = static_cast<std::int64_t>(power);
    if (frees_gradients(in) || power == 0 || others.ranks > in.config.lane_groups()) continue;
    all.emplace_back(fmt::format("-n {}", power), others);
  }
  if (!frees_gradients(in)) {
    const PlanInput larger = with_larger_batch(in);
    all.emplace_back(fmt::format("data.global_batch_size = {}, run.lanes = {} (another run)",
                                 larger.config.data.global_batch_size, larger.config.run.lanes),
                     larger);
  }
  const auto add = [&](const std::string& words, const auto& change) {
    PlanInput changed = in;
    change(changed.config);
    all.emplace_back(words, changed);
  };
  const sharding::ShardingConfig& sharding = in.config.sharding;
  if (trainer::is_half(in.config.precision.compute) && sharding.sum_type == sharding::SumType::fp32) {
    add("sharding.sum_type = compute (another run)",
        [](auto& config) { config.sharding.sum_type = sharding::SumType::compute; });
  }
  if (!sharding::stage_of(sharding.stage).shards_state)
    add("sharding.stage = 1", [](auto& config) { config.sharding.stage = 1; });
  if (sharding.reduction == sharding::Reduction::fast) {
    add("sharding.reduction = reproducible (another run)",
        [](auto& config) { config.sharding.reduction = sharding::Reduction::reproducible; });
  }
  if (sharding.exchange != sharding::ExchangeChoice::automatic) {
    add("sharding.exchange = auto",
        [](auto& config) { config.sharding.exchange = sharding::ExchangeChoice::automatic; });
  }
  for (const std::int64_t mib : {16, 32, 64, 128}) {
    if (in.ranks == 1 || mib == trainer::bucket_mib_of(in.config)) continue;
    add(fmt::format("sharding.bucket_mib = {}", mib),
        [&](auto& config) { config.sharding.bucket_mib = mib; });
  }
  if (!sharding.overlap) add("sharding.overlap = true", [](auto& config) { config.sharding.overlap = true; });
  for (const std::string how : {"none", "attention"}) {
    if (in.config.model.activation_checkpointing == how) break;
    all.emplace_back("model.activation_checkpointing = " + how, with_checkpointing(in, how));
  }
  if (now.step.data > 0) {
    const auto workers = static_cast<std::int64_t>(std::ceil(now.cores));
    add(fmt::format("data.workers = {}", workers), [&](auto& config) { config.data.workers = workers; });
  }
  return all;
}

}  // namespace

std::vector<Remedy> best_remedies(const PlanInput& in, const ClusterPlan& now) {
  constexpr double kWorthwhile = 0.99;
  constexpr std::size_t kShown = 3;
  std::vector<Remedy> cheaper;
  for (const auto& [words, changed] : possible_remedies(in, now)) {
    const ClusterPlan plan = plan_cluster(changed);
    if (!fits(changed, plan.memory)) continue;
    Remedy remedy{words, plan.hours, plan.gpu_hours(changed), plan.step.exposed_share()};
    if (remedy.gpu_hours < kWorthwhile * now.gpu_hours(in)) cheaper.push_back(std::move(remedy));
  }
  std::ranges::stable_sort(cheaper, {}, &Remedy::gpu_hours);
  cheaper.resize(std::min(kShown, cheaper.size()));
  return cheaper;
}

}  // namespace vitrail::launcher
