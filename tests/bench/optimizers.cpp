// One side of optimizers.py: the update of one rank that holds all lanes of ViT-B. Each line on standard
// input starts one repetition, whose seconds are printed.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "models/families/catalogue.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "sharding/device/host_device.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "tests/support/direct_plan.hpp"
#include "trainer/base/philox.hpp"
#include "trainer/weights/param_groups.hpp"

int main(int argc, char** argv) {
  using namespace vitrail;
  if (argc != 3) {
    std::cerr << "bench_optimizers adamw|lamb THREADS|gpu\n";
    return 2;
  }
  sharding::OptimizerConfig config;
  config.name =
      std::string(argv[1]) == "lamb" ? sharding::OptimizerName::lamb : sharding::OptimizerName::adamw;

  models::ModelConfig vit_b;
  vit_b.name = "vit_b16";
  const auto parameters = models::parameters_of(vit_b);
  const auto plan = sharding::make_bucket_plan(trainer::shapes_for_plan(parameters), 1, 8 << 20);
  sharding::LocalCommunicator alone;
  const bool on_gpu = std::string(argv[2]) == "gpu";
  const std::unique_ptr<sharding::Device> device =
      on_gpu ? sharding::make_gpu_device(0)
             : std::make_unique<sharding::HostDevice>(sharding::on_threads(std::atoi(argv[2])));
  sharding::GradientReducer gradients(plan, tests::direct_plan(plan.lanes, alone), {}, alone, *device);
  sharding::LaneState state(plan, gradients.layout().held, DataType::f32, *device,
                            sharding::state_kinds(config.name, false));
  sharding::ShardedOptimizer optimizer(config, trainer::parameter_rules(parameters, config), alone);
  const auto fill = [&](std::byte* to, std::int64_t n, std::uint64_t stream) {
    Philox random(1, Purpose::test, 0, stream);
    std::vector<float> values(static_cast<std::size_t>(n));
    for (float& value : values) value = static_cast<float>(random.uniform(-0.02, 0.02));
    device->compute().copy(std::as_bytes(std::span(values)).data(), values.size() * sizeof(float), to);
  };
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    fill(gradients.sum(b), plan.buckets[b].slice, b);
    fill(state.slices(sharding::StateKind::weight, b).data(), plan.buckets[b].slice, 1000 + b);
  }
  std::optional<sharding::PerTensorSums> squares;
  squares.emplace(optimizer.clip_own(state, gradients, 1.0));
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    if (config.name == sharding::OptimizerName::lamb)
      squares.emplace(optimizer.clip_own(state, gradients, 1.0));
    optimizer.step(state, gradients, 1e-3, 1.0, *squares);
    device->compute().finish();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{:.6f}\n", seconds.count());
    std::fflush(stdout);
  }
}
