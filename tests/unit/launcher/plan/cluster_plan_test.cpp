// References: the formulas of sharding/README.md with the published sizes of models, computed by hand.
#include "launcher/plan/cluster_plan.hpp"

#include <cmath>
#include <functional>
#include <numbers>

#include <gmock/gmock.h>

#include "launcher/plan/listing.hpp"
#include "launcher/plan/search.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kVitH = 632.1e6, kVitHMacs = 167.4e9;  // as published, at 224 px
// Of the last block's attention and MLP: what 256 patches ask and become, for nobody.
constexpr double kTokens = 257, kWidth = 1280;
constexpr double kUnreadAttention = 256 * (2 * kWidth * kWidth + 2 * kTokens * kWidth);
constexpr double kUnreadMlp = 256 * 8 * kWidth * kWidth;
constexpr double kVitHComputed = kVitHMacs - kUnreadAttention - kUnreadMlp;

// ViT-H at 224 px in fp16, 32 lanes of 64 images, no stochastic depth, on a device of round numbers.
PlanInput vit_h(std::int64_t ranks) {
  PlanInput in;
  in.config.model.name = "vit_h14";
  in.config.run.lanes = 32;
  in.config.data.global_batch_size = 2048;
  in.config.data.train = "tensor:none";
  in.config.optimizer.name = sharding::OptimizerName::adamw;
  in.config.precision.compute = trainer::Precision::fp16;
  in.gpu = {.name = "round",
            .memory_gb = 1000,
            .tflops = 100,
            .memory_gb_per_s = 1e9,
            .node_gb_per_s = 100,
            .network_gb_per_s = 10};
  in.ranks = ranks;
  in.ranks_per_node = 4;
  in.steps = 3600;
  in.mfu = 0.5;
  in.bandwidth_share = 1;
  in.message_s = 0;
  return in;
}

void expect_near(double value, double reference, double relative = 0.005) {
  EXPECT_NEAR(value, reference, relative * reference);
}

TEST(ClusterPlans, AGroupOfLanesIsComputedByOneRank) {
  PlanInput in = vit_h(8);
  in.config.model.name = "resnet50";
  const PlannedMemory apart = plan_memory(in);
  in.config.model.batch_norm_lanes = 4;
  const PlannedMemory together = plan_memory(in);
  expect_near(together.activations, 4 * apart.activations);
  EXPECT_EQ(together.full_sums, 1);
  EXPECT_GT(apart.full_sums, 1);
  in.ranks = 16;
  EXPECT_THAT([&] { plan_memory(in); },
              ::testing::ThrowsMessage<Error>(HasSubstr("model.batch_norm_lanes = 4: a group of lanes is")));
  EXPECT_EQ(scaled(in, 16, 2048).config.lane_groups(), 16);
}

TEST(ClusterPlans, MemoryIsThatOfTheFormulas) {
  for (const std::int64_t ranks : {1, 2, 8, 32}) {
    const PlannedMemory memory = plan_memory(vit_h(ranks));
    expect_near(memory.weights, 2 * kVitH);
    expect_near(memory.state, 12 * kVitH / static_cast<double>(ranks));
    const double sums = std::max(1.0, std::log2(32.0 / static_cast<double>(ranks)));
    EXPECT_EQ(memory.full_sums, sums) << ranks;
    expect_near(memory.gradients, sums * 4 * kVitH);
    EXPECT_EQ(memory.reserve, 3e9);
  }
  PlanInput in = vit_h(32);
  in.config.ema.decay = 0.99;
  expect_near(plan_memory(in).state, 16 * kVitH / 32);
  in.config.sharding.stage = 2;
  EXPECT_EQ(plan_memory(in).full_sums, 0);
  EXPECT_LT(plan_memory(in).gradients, 0.2 * 4 * kVitH);
  in.config.distillation.type = trainer::DistillationType::hard;
  in.config.distillation.teacher_model = "regnety_160";
  expect_near(plan_memory(in).teacher, 2 * 83.6e6);
}

// Grafit's embedding of each: on every rank, and in checkpoints.
TEST(ClusterPlans, WhatIsRememberedOfSamplesTakesMemory) {
  PlanInput in = vit_h(8);
  in.config.task.name = trainer::TaskName::grafit;
  in.config.grafit.head.outputs = 256;
  const ClusterPlan without = plan_cluster(in);
  in.samples = 1281167;
  const ClusterPlan with = plan_cluster(in);
  EXPECT_EQ(without.memory.samples, 0);
  EXPECT_EQ(with.memory.samples, 4.0 * 256 * 1281167);
  EXPECT_EQ(with.memory.total() - without.memory.total(), with.memory.samples);
  EXPECT_EQ(with.checkpoint.bytes - without.checkpoint.bytes, with.memory.samples);
  in.config.task.name = trainer::TaskName::classification;
  EXPECT_EQ(plan_memory(in).samples, 0);
}

// Half of the rows in the mean; the largest batch has 32 + 6 * 4 of 64.
TEST(ClusterPlans, ActivationsAreThoseOfTheLargestBatch) {
  PlanInput in = vit_h(32);
  const double whole = plan_memory(in).activations;
  in.config.model.drop_path = 0.5;
  expect_near(plan_memory(in).activations, whole * 56 / 64, 0.01);
  in.config.model.activation_checkpointing = "block";
  EXPECT_LT(plan_memory(in).activations, 0.3 * whole);
}

TEST(ClusterPlans, ARankSendsWhatTheBoundSays) {
  EXPECT_EQ(plan_cluster(vit_h(1)).traffic.gradients, 0);
  for (const std::int64_t ranks : {2, 4, 32}) {
    const PlannedTraffic traffic = plan_cluster(vit_h(ranks)).traffic;
    const double share = static_cast<double>(ranks - 1) / static_cast<double>(ranks);
    expect_near(traffic.gradients, 4 * kVitH * share);
    expect_near(traffic.weights, 2 * kVitH * share);
    expect_near(traffic.gradients / 4 + traffic.weights / 2, 2 * kVitH * share);
  }
}

TEST(ClusterPlans, ComputationIsSixOperationsAMac) {
  const ClusterPlan plan = plan_cluster(vit_h(8));
  expect_near(plan.step.compute, 6 * kVitHComputed * 256 / 50e12, 0.015);
  EXPECT_NEAR(plan.images_per_s, 2048 / plan.step.total(), 1e-9);
  EXPECT_NEAR(plan.hours, plan.step.total(), 1e-9);  // of 3,600 steps
  EXPECT_NEAR(plan.gpu_hours(vit_h(8)), 8 * plan.hours, 1e-9);

  PlanInput again = vit_h(8);
  again.config.model.activation_checkpointing = "block";
  expect_near(plan_cluster(again).step.compute, 8 * kVitHComputed * 256 / 50e12, 0.015);
  PlanInput half = vit_h(8);
  half.config.model.drop_path = 0.5;
  expect_near(plan_cluster(half).step.compute, plan.step.compute / 2, 0.01);
  // The 15.9 GMACs of RegNetY-16GF, forward only.
  PlanInput taught = vit_h(8);
  taught.config.distillation.type = trainer::DistillationType::hard;
  taught.config.distillation.teacher_model = "regnety_160";
  expect_near(plan_cluster(taught).step.compute - plan.step.compute, 2 * 15.9e9 * 256 / 50e12, 0.02);
}

TEST(ClusterPlans, WithoutOverlapAllCommunicationIsExposed) {
  PlanInput in = vit_h(4);  // one node of 100 GB/s
  in.config.sharding.overlap = false;
  expect_near(plan_cluster(in).step.gradients, 4 * kVitH * 3 / 4 / 100e9);
  expect_near(plan_cluster(in).step.weights, 2 * kVitH * 3 / 4 / 100e9);
  // 8 nodes of 4: 7 / 32 to other nodes at 10 GB/s; meanwhile, but for the first bucket's, 3 / 4 inside
  // nodes.
  in.ranks = 32;
  const double longer = 7.0 / 32 / 10e9;
  expect_near(plan_cluster(in).step.gradients, 4 * kVitH * longer, 0.02);
  expect_near(plan_cluster(in).step.weights, 2 * kVitH * longer, 0.02);
  // Each to each, 28 of 31 parts go out; of a gather each node takes in 31 of 32 once, over 4 links.
  in.config.sharding.exchange = sharding::ExchangeChoice::direct;
  expect_near(plan_cluster(in).step.gradients, 4 * kVitH * 31 / 32 * 28 / 31 / 10e9);
  expect_near(plan_cluster(in).step.weights, 2 * kVitH * 31 / 32 / 40e9);
  // Over MPI a rank sends its part to each other one.
  in.config.sharding.communicator = sharding::CommunicatorKind::mpi;
  expect_near(plan_cluster(in).step.weights, 2 * kVitH * 31 / 32 * 28 / 31 / 10e9);

  const double all = plan_cluster(in).step.gradients;
  in.config.sharding.overlap = true;
  const ClusterPlan under = plan_cluster(in);
  EXPECT_NEAR(under.step.gradients + under.hidden_gradients, all, 1e-9);
  EXPECT_LT(under.step.gradients, all);
  EXPECT_GT(under.step.gradients, 0);
  in.message_s = 1e-3;  // at least one for each bucket and rank
  EXPECT_GT(plan_cluster(in).hidden_gradients + plan_cluster(in).step.gradients, all + 31e-3);
}

// What four ranks of one node add: each its quarter of four sums, which are read, and one is written. With
// halving it is a half of two sums, then a quarter, after each of the two calls.
TEST(ClusterPlans, SumsOfWhatCameTakeTheirTime) {
  PlanInput in = vit_h(4);
  in.config.sharding.overlap = false;
  in.config.run.device = trainer::Device::cpu;
  in.gpu.memory_gb_per_s = 1000;
  expect_near(plan_cluster(in).step.gradients, 4 * kVitH * (0.75 / 100e9 + 5.0 / 4 / 1e12));
  in.config.sharding.exchange = sharding::ExchangeChoice::halving;
  expect_near(plan_cluster(in).step.gradients, 4 * kVitH * (0.75 / 100e9 + 3 * 0.75 / 1e12));
  // A GPU adds what came for a bucket beside the other's calls.
  in.config.run.device = trainer::Device::cuda;
  EXPECT_LT(plan_cluster(in).step.gradients, 4 * kVitH * (0.75 / 100e9 + 1.5 * 0.75 / 1e12));
}

// Of 32 blocks of two branches, of attention a and an MLP of m multiply-accumulates, each image leaves out
// each with probability 1/2: deviation sqrt(32 (a^2 + m^2)) / 2; two ranks wait 1/sqrt(pi) of a rank's on
// average.
TEST(ClusterPlans, RanksWaitForTheOneThatKeepsMostRows) {
  EXPECT_EQ(plan_cluster(vit_h(2)).step.stragglers, 0);
  PlanInput in = vit_h(2);
  in.config.model.drop_path = 0.5;
  const double a = 4 * kTokens * kWidth * kWidth + 2 * kTokens * kTokens * kWidth;
  const double m = 8 * kTokens * kWidth * kWidth;
  const double last_a = a - kUnreadAttention, last_m = m - kUnreadMlp;
  const double squares = 31 * (a * a + m * m) + last_a * last_a + last_m * last_m;
  const double of_image = 6 * std::sqrt(squares) / 2 / 50e12;
  expect_near(plan_cluster(in).step.stragglers, of_image * std::sqrt(1024.0 / std::numbers::pi), 0.01);
  in.ranks = 1;
  EXPECT_EQ(plan_cluster(in).step.stragglers, 0);
}

TEST(ClusterPlans, UpdatesAndSumsMoveBytes) {
  PlanInput in = vit_h(8);
  in.gpu.memory_gb_per_s = 1000;
  expect_near(plan_cluster(in).step.update, (28 + 6) * kVitH / 8 / 1e12);
  // Of four lanes: each gradient read, two sums written; each of the others read and written on the way.
  expect_near(plan_cluster(in).step.lane_sums, (4 * 2 + 4 * 4 + 3 * 4) * kVitH / 1e12);
  in.config.optimizer.name = sharding::OptimizerName::lamb;
  in.config.ema.decay = 0.9;
  expect_near(plan_cluster(in).step.update, (44 + 6 + 12) * kVitH / 8 / 1e12);
}

TEST(ClusterPlans, CheckpointsAndDecoding) {
  PlanInput in = vit_h(64 / 2);
  in.write_gb_per_s = 0.76;
  in.failure_gpu_hours = 126 * 32;  // every 126 h
  const PlannedCheckpoint checkpoint = plan_cluster(in).checkpoint;
  expect_near(checkpoint.bytes, 12 * kVitH);
  expect_near(checkpoint.write_s, 10, 0.01);
  EXPECT_EQ(checkpoint.failure_s, 126 * 3600);
  EXPECT_NEAR(checkpoint.best_waiting_s, 50 * 60, 60);  // as reliability studies have it for 10 s
  expect_near(checkpoint.copy_s, 12 * kVitH / 32 / 10e9);

  in.config.data.train = "packs/a";
  in.config.data.workers = 8;
  in.core_images_per_s = 1000;
  in.record_kb = 100;
  const ClusterPlan fed = plan_cluster(in);
  EXPECT_EQ(fed.step.data, 0);
  EXPECT_NEAR(fed.cores, 64 / fed.step.total() / 1000, 1e-9);
  EXPECT_NEAR(fed.read_mb_per_s, fed.images_per_s / 10, 1e-9);
  in.core_images_per_s = 1;
  const ClusterPlan hungry = plan_cluster(in);
  EXPECT_NEAR(hungry.step.total(), 8, 1e-9);  // 64 images by 8 threads, 1 a second each
  EXPECT_EQ(limit_of(hungry.step), "decoding (data.workers)");
  EXPECT_EQ(limit_of(fed.step), "computation");
}

TEST(ClusterPlans, WhatCannotBeIsRefused) {
  const auto told = [](PlanInput in, auto change) {
    change(in);
    try {
      plan_cluster(in);
    } catch (const Error& e) {
      return std::string(e.what()) + " / " + e.hint();
    }
    return std::string();
  };
  EXPECT_THAT(told(vit_h(64), [](PlanInput&) {}), HasSubstr("set run.lanes = 64"));
  EXPECT_THAT(told(vit_h(8), [](PlanInput& in) { in.config.sharding.stage = 2; }),
              HasSubstr("take 32 ranks"));
  EXPECT_THAT(told(vit_h(3), [](PlanInput& in) { in.config.sharding.reduction = sharding::Reduction::fast; }),
              HasSubstr("divides run.lanes"));
  EXPECT_EQ(told(vit_h(3), [](PlanInput&) {}), "");
}

// At 8 ranks: weights 1.3 GB, state 0.9, two sums 5.1, exchange 0.01 and activations; the rest is reserve.
TEST(PlanSearches, TheSmallestChangeThatFits) {
  const auto change_at = [](double gb, std::int64_t ranks, auto change) {
    PlanInput in = vit_h(ranks);
    in.reserve_gb = 0;
    change(in);
    in.gpu.memory_gb = gb;
    return fits(in) ? "fits" : smallest_change(in);
  };
  const auto as_it_is = [](PlanInput&) {};
  const double activations = plan_memory(vit_h(8)).activations / 1e9;
  EXPECT_EQ(change_at(activations + 7.5, 8, as_it_is), "fits");
  EXPECT_EQ(change_at(activations + 7, 8, as_it_is), "set model.activation_checkpointing = attention");
  EXPECT_EQ(change_at(activations * 0.5, 8, as_it_is), "set model.activation_checkpointing = block");
  const auto block = [](PlanInput& in) { in.config.model.activation_checkpointing = "block"; };
  const double recomputed = [&] {
    PlanInput in = vit_h(8);
    block(in);
    return plan_memory(in).activations / 1e9;
  }();
  EXPECT_EQ(change_at(recomputed + 7, 8, block), "plan for 16 ranks");  // one sum less
  EXPECT_EQ(change_at(recomputed + 2.5, 8, block), "set sharding.stage = 2 on 32 ranks");
  const auto all = [&](PlanInput& in) {
    block(in);
    in.config.sharding.stage = 2;
  };
  const double least = [&] {
    PlanInput in = vit_h(32);
    all(in);
    in.reserve_gb = 0;
    return plan_memory(in).total() / 1e9;
  }();
  EXPECT_EQ(change_at(least - 0.4 * recomputed, 32, all), "set run.lanes = 64 for a new run, on 64 ranks");
  EXPECT_EQ(change_at(1, 8, block), "");  // the weights alone are more
  EXPECT_EQ(change_at(activations + 7.5, 8, [](PlanInput& in) { in.config.sharding.stage = 0; }),
            "set sharding.stage = 1");
}

TEST(PlanSearches, OtherRanksKeepTheLanes) {
  PlanInput in = vit_h(32);
  EXPECT_EQ(scaled(in, 8, 2048).config.run.lanes, 32);
  EXPECT_EQ(scaled(in, 8, 16384).config.run.lanes, 256);
  EXPECT_EQ(scaled(in, 128, 2048).config.run.lanes, 128);
  EXPECT_EQ(scaled(in, 128, 2048).lane_images(), 16);
  EXPECT_EQ(at_powers_of_two(in, 2048, 512).size(), 10U);
  EXPECT_EQ(at_powers_of_two(in, 2048, 1 << 16).back().ranks, 2048);
  in.config.augment.cutmix = 1;
  EXPECT_EQ(at_powers_of_two(in, 2048, 1 << 16).back().ranks, 1024);  // lanes of two images
}

TEST(PlanSearches, LanesOfAnOddNumberOfImagesAreNoReasonToPlanNothing) {
  for (const std::int64_t images : {1, 3}) {
    PlanInput in = vit_h(8);
    in.config.data.global_batch_size = 32 * images;
    EXPECT_EQ(at_powers_of_two(in, 32 * images, 1 << 16).back().ranks, 32);
    EXPECT_GT(most_ranks(in, 2048, 0.9), 1);
  }
}

// Cheaper ones only, the cheapest first. Of ranks the powers of two below and above, which share lanes
// evenly.
TEST(PlanSearches, RemediesNameWhatIsAmiss) {
  const auto remedies = [](std::int64_t ranks, auto change) {
    PlanInput in = vit_h(ranks);
    change(in);
    const ClusterPlan now = plan_cluster(in);
    std::vector<std::string> changes;
    double least = 0;
    for (const Remedy& remedy : best_remedies(in, now)) {
      changes.push_back(remedy.change);
      EXPECT_LT(remedy.gpu_hours, now.gpu_hours(in));
      EXPECT_GE(remedy.gpu_hours, least);
      least = remedy.gpu_hours;
    }
    return changes;
  };
  const auto waits = [](PlanInput& in) { in.gpu.tflops = 1e5; };
  EXPECT_THAT(remedies(24, waits), Contains("-n 16"));
  EXPECT_THAT(remedies(3, [](PlanInput&) {}), Contains("-n 4"));
  EXPECT_THAT(remedies(32, waits), Not(Contains("-n 64")));  // 32 lanes
  EXPECT_THAT(remedies(32, waits), Contains("sharding.sum_type = compute (another run)"));
  const auto of_settings = [&](std::int64_t ranks, const std::function<void(trainer::Config&)>& change) {
    return remedies(ranks, [&](PlanInput& in) {
      waits(in);
      change(in.config);
    });
  };
  EXPECT_THAT(
      of_settings(32, [](auto& config) { config.sharding.exchange = sharding::ExchangeChoice::direct; }),
      Contains("sharding.exchange = auto"));
  EXPECT_THAT(of_settings(4, [](auto& config) { config.sharding.stage = 0; }),
              Contains("sharding.stage = 1"));
  const auto by_library = remedies(32, [](PlanInput& in) {
    in.config.sharding.reduction = sharding::Reduction::fast;
    in.message_s = 5e-4;  // its rings have one for each rank
  });
  EXPECT_THAT(by_library, Contains("sharding.reduction = reproducible (another run)"));
  const auto hungry = remedies(4, [](PlanInput& in) {
    in.config.data.train = "packs/a";
    in.config.data.workers = 1;
    in.core_images_per_s = 10;
  });
  ASSERT_FALSE(hungry.empty());
  EXPECT_THAT(hungry.front(), HasSubstr("data.workers = "));
}

// Every number of ranks up to the largest is within the share, the next one is not.
TEST(PlanSearches, TheMostRanksThatWaitLittle) {
  PlanInput in = vit_h(32);
  in.config.model.drop_path = 0.5;
  in.message_s = 5e-6;
  const std::int64_t small = most_ranks(in, 2048, 0.05), large = most_ranks(in, 16384, 0.05);
  ASSERT_GT(small, 1);
  EXPECT_GT(large, small);
  EXPECT_LE(plan_cluster(scaled(in, small, 2048)).step.exposed_share(), 0.05);
  EXPECT_GT(plan_cluster(scaled(in, 2 * small, 2048)).step.exposed_share(), 0.05);
  in.gpu.memory_gb = 1;
  EXPECT_EQ(most_ranks(in, 2048, 0.05), 0);
}

}  // namespace
}  // namespace vitrail::launcher
