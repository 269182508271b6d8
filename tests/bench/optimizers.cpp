// One side of optimizers.py: the update of one rank that holds all lanes of ViT-B. Each line on standard
// input starts one repetition, whose seconds are printed.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "models/catalogue.hpp"
#include "sharding/local_communicator.hpp"
#include "sharding/sharded_optimizer.hpp"
#include "trainer/base/philox.hpp"
#include "trainer/param_groups.hpp"

int main(int argc, char** argv) {
  using namespace vitrail;
  if (argc != 3) {
    std::cerr << "bench_optimizers adamw|lamb THREADS\n";
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
  sharding::GradientReducer gradients(plan, {}, alone);
  sharding::LaneState state(plan, gradients.lanes(), DataType::f32,
                            sharding::state_kinds(config.name, false));
  sharding::ShardedOptimizer optimizer(config, trainer::parameter_rules(parameters, config), alone,
                                       sharding::on_threads(std::atoi(argv[2])));
  const auto fill = [](float* values, std::int64_t n, std::uint64_t stream) {
    Philox random(1, Purpose::test, 0, stream);
    for (std::int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(random.uniform(-0.02, 0.02));
  };
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    fill(reinterpret_cast<float*>(gradients.sum(b)), plan.buckets[b].slice, b);
    fill(state.slices(sharding::StateKind::weight, b).as<float>().data(), plan.buckets[b].slice, 1000 + b);
  }
  std::optional<sharding::PieceSums> squares;
  squares.emplace(optimizer.clip_values(state, gradients, 1.0));
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    if (config.name == sharding::OptimizerName::lamb)
      squares.emplace(optimizer.clip_values(state, gradients, 1.0));
    optimizer.step(state, gradients, 1e-3, 1.0, *squares);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{:.6f}\n", seconds.count());
    std::fflush(stdout);
  }
}
