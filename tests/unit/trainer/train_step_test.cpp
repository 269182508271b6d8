// Whole steps of a tiny network on synthetic images, through everything that training is made of.
#include "trainer/train_step.hpp"

#include <cmath>
#include <numeric>
#include <set>

#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "sharding/comm/local_communicator.hpp"
#include "tests/support/assembled.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/trainer/tiny_run.hpp"

namespace vitrail::trainer {
namespace {

struct Training {
  std::vector<StepResult> steps;
  TrainState state;
};

Training train(const Config& config, sharding::Communicator& communicator, int steps) {
  tests::Assembled assembled(config, communicator);
  Assembly& assembly = assembled.run;
  Log silent(false);
  assembly.initialise_weights(silent);
  assembly.start_loader({});
  PhaseLog phases(0, std::nullopt);
  StepContext context = assembly.context(phases);
  Training run;
  for (int i = 0; i < steps; ++i) run.steps.push_back(train_step(context, run.state, {}, {}));
  return run;
}

Training train_alone(const Config& config, int steps) {
  sharding::LocalCommunicator alone;
  return train(config, alone, steps);
}

double mean_loss(std::span<const StepResult> steps) {
  return std::accumulate(steps.begin(), steps.end(), 0.0,
                         [](double sum, const auto& s) { return sum + s.loss; }) /
         static_cast<double>(steps.size());
}

TEST(TrainStep, LearnsWithBothOptimizersAndLosses) {
  // What a network reaches that has learned only that there are four classes, equally frequent.
  const double knowing_nothing_ce = std::log(4.0);
  const double knowing_nothing_bce = -(0.25 * std::log(0.25) + 0.75 * std::log(0.75));
  for (const auto optimizer : {sharding::OptimizerName::lamb, sharding::OptimizerName::adamw}) {
    for (const LossName loss : {LossName::ce, LossName::bce}) {
      Config config = tiny_run();
      config.optimizer.name = optimizer;
      config.loss.name = loss;
      if (optimizer == sharding::OptimizerName::adamw) config.optimizer.lr = 2e-3;
      const Training run = train_alone(config, 120);
      const double reached = mean_loss(std::span(run.steps).last(5));
      EXPECT_LT(reached, 0.8 * (loss == LossName::ce ? knowing_nothing_ce : knowing_nothing_bce));
    }
  }
}

TEST(TrainStep, AdvancesTheStateAndSaysWhatItDid) {
  const Training run = train_alone(tiny_run(), 6);
  EXPECT_EQ(run.state.step, 6);
  EXPECT_EQ(run.state.optimizer_steps, 6);
  EXPECT_NEAR(run.steps[0].loss, std::log(4.0), 0.1) << "the head begins with next to nothing";
  EXPECT_EQ(run.steps[0].lr, ScheduleConfig().warmup_lr);
  EXPECT_NEAR(run.steps[2].lr, 1e-2, 1e-3);
  std::set<std::string> orders;
  for (const StepResult& step : run.steps) {
    EXPECT_GT(step.grad_norm, 0);
    EXPECT_EQ(step.order_hash.size(), 16U);
    orders.insert(step.order_hash);
    EXPECT_FALSE(step.agreed.save || step.agreed.stop);
  }
  EXPECT_EQ(orders.size(), 6U);
}

class AnyPrecision : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(TrainStep, AnyPrecision,
                         testing::Values(Precision::fp32, Precision::fp16, Precision::bf16));

TEST_P(AnyPrecision, AnyNumberOfRanksTakesTheSameSteps) {
  Config config = tiny_run();
  config.precision.compute = GetParam();
  config.model.drop_path = 0.3;
  config.augment.mixup = 0.8;
  config.optimizer.clip_norm = 0.5;
  const Training one = train_alone(config, 3);
  for (const int world : {2, 3}) {
    tests::run_world(world, [&](sharding::Communicator& communicator) {
      const Training run = train(config, communicator, 3);
      for (std::size_t i = 0; i < one.steps.size(); ++i) {
        EXPECT_EQ(run.steps[i].loss, one.steps[i].loss) << world << " ranks, step " << i;
        EXPECT_EQ(run.steps[i].grad_norm, one.steps[i].grad_norm);
        EXPECT_EQ(run.steps[i].order_hash, one.steps[i].order_hash);
      }
    });
  }
}

TEST_P(AnyPrecision, TrainsAsFp32DoesWithinItsRounding) {
  Config config = tiny_run();
  const Training exact = train_alone(config, 20);
  config.precision.compute = GetParam();
  const Training run = train_alone(config, 20);
  const double tolerance = GetParam() == Precision::bf16 ? 2e-2 : 4e-3;
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_FALSE(run.steps[i].skipped) << i;
    EXPECT_NEAR(run.steps[i].loss, exact.steps[i].loss, tolerance) << i;
  }
}

struct Weights {
  std::vector<at::Tensor> tensors;
  explicit Weights(const Assembly& run) {
    for (const at::Tensor& x : run.student.parameters.tensors()) tensors.push_back(x.detach().clone());
  }
  bool operator==(const Weights& other) const {
    return std::ranges::equal(tensors, other.tensors,
                              [](const auto& a, const auto& b) { return at::equal(a, b); });
  }
};

TEST(TrainStep, AnOverflowChangesNoWeightAndHalvesTheScale) {
  Config config = tiny_run();
  config.precision.compute = Precision::fp16;
  config.ema.decay = 0.9;
  sharding::LocalCommunicator alone;
  tests::Assembled assembled(config, alone);
  Assembly& assembly = assembled.run;
  Log silent(false);
  assembly.initialise_weights(silent);
  assembly.start_loader({});
  PhaseLog phases(0, std::nullopt);
  StepContext context = assembly.context(phases);
  TrainState state;
  state.loss_scale.scale = 4294967296.0;  // no fp16 gradient survives this
  const Weights before(assembly);
  const StepResult first = train_step(context, state, {}, {});
  EXPECT_TRUE(first.skipped);
  EXPECT_EQ(first.loss_scale, 4294967296.0);
  EXPECT_TRUE(std::isfinite(first.loss));
  EXPECT_EQ(Weights(assembly), before);
  EXPECT_EQ(state.step, 1);
  EXPECT_EQ(state.optimizer_steps, 0) << "the bias corrections wait";
  EXPECT_EQ(state.loss_scale.scale, 2147483648.0);
  StepResult last = first;
  for (int i = 0; i < 30 && last.skipped; ++i) last = train_step(context, state, {}, {});
  EXPECT_FALSE(last.skipped);
  EXPECT_EQ(state.optimizer_steps, 1);
  EXPECT_EQ(state.loss_scale.skipped, state.step - 1);
  EXPECT_NE(Weights(assembly), before);
}

TEST(TrainStep, HalfPrecisionThatOverflowsForEverStops) {
  Config config = tiny_run();
  config.precision.compute = Precision::bf16;
  sharding::LocalCommunicator alone;
  tests::Assembled assembled(config, alone);
  Assembly& assembly = assembled.run;
  Log silent(false);
  assembly.initialise_weights(silent);
  for (const sharding::Piece& piece : assembly.plan.pieces) {
    const std::vector<float> infinite(static_cast<std::size_t>(piece.elements),
                                      std::numeric_limits<float>::infinity());
    assembly.lane_state.write(sharding::StateKind::weight, piece, std::as_bytes(std::span(infinite)).data());
  }
  assembly.student.publish();
  assembly.start_loader({});
  PhaseLog phases(0, std::nullopt);
  StepContext context = assembly.context(phases);
  TrainState state;
  for (int i = 1; i < sharding::kHopelessSkips; ++i)
    EXPECT_TRUE(train_step(context, state, {}, {}).skipped) << i;
  EXPECT_THAT([&] { train_step(context, state, {}, {}); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("after 20 skipped steps")));
}

TEST(TrainStep, ComputingASecondTimeChangesNoBit) {
  Config config = tiny_run();
  config.model.drop_path = 0.3;
  config.optimizer.clip_norm = 0.5;
  const Training kept = train_alone(config, 3);
  for (const char* checkpointing : {"attention", "block", "every:2"}) {
    config.model.activation_checkpointing = checkpointing;
    const Training again = train_alone(config, 3);
    for (std::size_t i = 0; i < kept.steps.size(); ++i) {
      EXPECT_EQ(again.steps[i].loss, kept.steps[i].loss) << checkpointing << ", step " << i;
      EXPECT_EQ(again.steps[i].grad_norm, kept.steps[i].grad_norm) << checkpointing << ", step " << i;
    }
  }
}

TEST(TrainStep, EveryFamilyThatTrainsTakesSteps) {
  for (const char* name : {"vit_s16_18x2", "deit_ti16", "deit_ti16_distilled", "cait_xxs24"}) {
    Config config = tiny_run();
    config.model.name = name;
    config.model.patch = 4;
    config.model.drop_path = 0.2;
    config.optimizer.name = sharding::OptimizerName::adamw;
    config.optimizer.lr = 2e-3;
    const Training run = train_alone(config, 60);
    EXPECT_LT(mean_loss(std::span(run.steps).last(5)), mean_loss(std::span(run.steps).first(5))) << name;
  }
}

TEST(TrainStep, PixelsThatNoPatchTakesAreNamed) {
  const auto said = [](std::int64_t patch) {
    Config config = tiny_run();
    config.model.patch = patch;
    sharding::LocalCommunicator alone;
    Log log(true);
    testing::internal::CaptureStderr();
    tests::Assembled(config, alone).run.say_what_it_is(log);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(said(7), testing::HasSubstr("images of 16 x 16 px: whole patches fill 14 x 14, the 2 px"));
  EXPECT_THAT(said(4), testing::Not(testing::HasSubstr("whole patches")));
}

TEST(TrainStep, WhatARankSaysAllRanksKnow) {
  const Config config = tiny_run();
  tests::run_world(3, [&](sharding::Communicator& communicator) {
    tests::Assembled assembled(config, communicator);
    Assembly& assembly = assembled.run;
    Log silent(false);
    assembly.initialise_weights(silent);
    assembly.start_loader({});
    PhaseLog phases(0, std::nullopt);
    StepContext context = assembly.context(phases);
    TrainState state;
    const bool last = communicator.rank() == 2;
    EXPECT_TRUE(train_step(context, state, {.save = last}, {}).agreed.save);
    const StepSignals agreed = train_step(context, state, {.stop = last}, {}).agreed;
    EXPECT_TRUE(agreed.stop);
    EXPECT_FALSE(agreed.save);
    EXPECT_FALSE(train_step(context, state, {.checkpoint_written = last}, {}).agreed.checkpoint_written);
    const OwnWork mine{1.0 * communicator.rank(), 0.5};
    const StepResult all = train_step(context, state, {.checkpoint_written = true}, mine);
    EXPECT_TRUE(all.agreed.checkpoint_written) << "of all ranks";
    ASSERT_EQ(all.work.size(), 3U);
    EXPECT_EQ(all.work[2].data, 2);
    EXPECT_EQ(all.work[2].compute, 0.5);
  });
}

TEST(TrainStep, ARunThatDivergedEndsWithItsOwnCode) {
  Config config = tiny_run();
  config.optimizer.name = sharding::OptimizerName::adamw;
  config.optimizer.lr = 1e30;
  config.schedule.warmup = {0, Duration::Unit::steps};
  try {
    train_alone(config, 5);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::diverged);
    EXPECT_THAT(e.what(), testing::StartsWith("training diverged: loss "));
    EXPECT_THAT(e.hint(), testing::HasSubstr("optimizer.lr"));
  }
}

}  // namespace
}  // namespace vitrail::trainer
