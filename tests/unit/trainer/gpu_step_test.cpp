// Whole steps of ranks whose GPUs are the host (tests/support/gpu_on_host): sums, updates and exchange there,
// with calls between ranks as late as they may be. The networks compute on the host, by its passes or by a
// GPU's.
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "tests/support/late_communicator.hpp"
#include "tests/support/late_gpu.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/assembly.hpp"

namespace vitrail::trainer {
namespace {

constexpr int kSteps = 2;

struct Trained {
  std::vector<double> losses, norms;
  std::vector<at::Tensor> weights;
};

enum class Passes : std::uint8_t { of_the_host, of_a_gpu };

Trained train(const Config& config, sharding::Communicator& ranks, ComputeDevice& device, Passes passes) {
  Assembly run(config, ranks, device);
  if (passes == Passes::of_a_gpu) run.student.model->compute_as_on_gpu();
  Log silent(false);
  run.initialise_weights(silent);
  TrainState state;
  state.loss_scale.scale = 1024;
  run.start_loader(state);
  PhaseLog phases(0, std::nullopt);
  StepContext context = run.context(phases);
  Trained trained;
  for (int i = 0; i < kSteps; ++i) {
    const StepResult step = train_step(context, state, {}, {});
    trained.losses.push_back(step.loss);
    trained.norms.push_back(step.grad_norm);
  }
  run.finish_publishing();
  device.memory().compute().finish();
  for (const at::Tensor& weight : run.student.parameters.tensors())
    trained.weights.push_back(weight.detach().clone());
  return trained;
}

Trained train_on_host(Config config) {
  config.sharding.stage = 1;
  sharding::LocalCommunicator alone;
  ComputeDevice host(config, alone);
  return train(config, alone, host, Passes::of_the_host);
}

// On each of so many ranks.
std::vector<Trained> train_on_gpus(Config config, int world, Passes passes) {
  if (world < config.run.lanes) config.sharding.stage = std::min<std::int64_t>(config.sharding.stage, 1);
  std::vector<Trained> all(static_cast<std::size_t>(world));
  tests::run_world(world, [&](sharding::Communicator& ranks) {
    ComputeDevice gpu(at::kCPU, sharding::make_gpu_device(ranks.rank()));
    tests::LateGpu late(ranks.rank(), gpu.memory());
    tests::LateCommunicator<tests::LateGpu> over_gpus(ranks, late);
    all[static_cast<std::size_t>(ranks.rank())] = train(config, over_gpus, gpu, passes);
  });
  return all;
}

void expect_same(const Trained& ours, const Trained& reference, const std::string& what) {
  EXPECT_EQ(ours.losses, reference.losses) << what;
  EXPECT_EQ(ours.norms, reference.norms) << what;
  for (std::size_t i = 0; i < reference.weights.size(); ++i)
    EXPECT_TRUE(at::equal(ours.weights[i], reference.weights[i])) << what << ", parameter " << i;
}

struct Case {
  const char* model;
  Precision precision;
  sharding::OptimizerName optimizer;
  std::int64_t stage = 1;
};

class GpuStepTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { tests::gpu_on_host::let_default_streams_be_the_hosts(); }

  static Config config() {
    Config config = tiny_run();
    config.model.name = GetParam().model;
    config.model.patch = 4;
    config.model.drop_path = 0.3;
    config.precision.compute = GetParam().precision;
    config.optimizer.name = GetParam().optimizer;
    config.sharding.stage = GetParam().stage;
    config.sharding.bucket_mib = 1;
    if (GetParam().stage == 1)
      config.sharding.exchange = sharding::ExchangeChoice::halving;  // buckets in turn
    config.ema.decay = 0.9;
    return config;
  }
};

TEST_P(GpuStepTest, SumsUpdatesAndExchangeHaveTheBitsOfTheHost) {
  const Trained host = train_on_host(config());
  for (const int world : {1, 2, 4}) {
    for (const Trained& rank : train_on_gpus(config(), world, Passes::of_the_host))
      expect_same(rank, host, fmt::format("{} ranks", world));
  }
}

TEST_P(GpuStepTest, AnyNumberOfGpusHasTheSameBits) {
  const Trained one = train_on_gpus(config(), 1, Passes::of_a_gpu).front();
  for (const int world : {2, 4}) {
    for (const Trained& rank : train_on_gpus(config(), world, Passes::of_a_gpu))
      expect_same(rank, one, fmt::format("{} ranks", world));
  }
  const Trained host = train_on_host(config());
  const double tolerance = is_half(GetParam().precision) ? 5e-3 : 1e-5;
  for (std::size_t i = 0; i < host.losses.size(); ++i) EXPECT_NEAR(one.losses[i], host.losses[i], tolerance);
}

using enum sharding::OptimizerName;
INSTANTIATE_TEST_SUITE_P(
    Networks, GpuStepTest,
    testing::Values(Case{"vit_xxs4", Precision::fp32, lamb}, Case{"vit_xxs4", Precision::fp16, adamw, 2},
                    Case{"cait_xxs24", Precision::fp32, adamw}, Case{"cait_xxs24", Precision::fp16, lamb, 0}),
    [](const auto& c) {
      return fmt::format("{}_{}", c.param.model, is_half(c.param.precision) ? "fp16" : "fp32");
    });

}  // namespace
}  // namespace vitrail::trainer
