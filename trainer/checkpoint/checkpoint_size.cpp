#include "trainer/checkpoint/checkpoint_size.hpp"

#include "models/families/catalogue.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/base/data_type.hpp"
#include "trainer/settings/sample_cost.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

std::uint64_t bytes_of_number(const Config& config) {
  const bool is_double = config.precision.compute == Precision::fp64;
  return size_of(is_double ? DataType::f64 : DataType::f32);
}

}  // namespace

std::uint64_t remembered_bytes(const Config& config, std::int64_t samples) {
  return static_cast<std::uint64_t>(samples * remembered_numbers(config)) * bytes_of_number(config);
}

std::uint64_t checkpoint_bytes(const Config& config, std::int64_t samples) {
  std::uint64_t elements = 0;
  for (const auto& parameter : models::parameters_of(network_of(config))) {
    elements += static_cast<std::uint64_t>(parameter.elements());
  }
  const auto kinds = sharding::state_kinds(config.optimizer.name, has_average(config));
  return elements * kinds.size() * bytes_of_number(config) + remembered_bytes(config, samples);
}

std::int64_t most_checkpoints(const Config& config) {
  const Duration& every = config.checkpoint.keep_every;
  const std::int64_t length = every.unit == Duration::Unit::steps ? config.run.steps : config.run.epochs;
  const std::int64_t for_good = every.count > 0 ? length / every.count : 0;
  const std::int64_t best = config.checkpoint.keep_best != BestBy::none ? 1 : 0;
  return config.checkpoint.keep_last + 1 + for_good + best;
}

std::uint64_t most_checkpoint_bytes(const Config& config, std::int64_t samples) {
  return checkpoint_bytes(config, samples) * static_cast<std::uint64_t>(most_checkpoints(config));
}

}  // namespace vitrail::trainer
