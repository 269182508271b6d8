#include "trainer/checkpoint_size.hpp"

#include "models/catalogue.hpp"
#include "sharding/sharded_optimizer.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::trainer {

std::uint64_t checkpoint_bytes(const Config& config) {
  std::uint64_t elements = 0;
  for (const auto& parameter : models::parameters_of(config.model)) {
    elements += static_cast<std::uint64_t>(parameter.elements());
  }
  const bool is_double = config.precision.compute == Precision::fp64;
  const auto kinds = sharding::state_kinds(config.optimizer.name, config.ema.decay > 0);
  return elements * kinds.size() * size_of(is_double ? DataType::f64 : DataType::f32);
}

std::uint64_t most_checkpoint_bytes(const Config& config) {
  return checkpoint_bytes(config) * static_cast<std::uint64_t>(config.checkpoint.keep_last + 1);
}

}  // namespace vitrail::trainer
