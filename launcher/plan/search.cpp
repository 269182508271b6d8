#include "launcher/plan/search.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "sharding/plan/shard_layout.hpp"

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
       ranks <= in.config.run.lanes; ranks *= 2) {
    PlanInput more = in;
    more.ranks = ranks;
    changes.emplace_back(fmt::format("plan for {} ranks{}", ranks, besides), more);
  }
}

void add_stage_2(const PlanInput& in, const std::string& besides, std::vector<Change>& changes) {
  if (frees_gradients(in)) return;
  PlanInput stage = in;
  stage.config.sharding.stage = 2;
  stage.ranks = in.config.run.lanes;
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
      for (const std::int64_t ranks : {in.ranks, lanes}) {
        PlanInput more = with_checkpointing(in, how);
        more.config.run.lanes = lanes;
        more.ranks = ranks;
        if (frees_gradients(more) && ranks != lanes) continue;
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
  in.config.run.lanes = std::max(static_cast<std::int64_t>(std::bit_floor(wanted)),
                                 static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(ranks))));
  in.config.data.global_batch_size = batch;
  if (frees_gradients(in)) in.config.run.lanes = ranks;
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

}  // namespace vitrail::launcher
