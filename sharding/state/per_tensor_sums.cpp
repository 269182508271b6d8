#include "sharding/state/per_tensor_sums.hpp"

namespace vitrail::sharding {

std::vector<double> PerTensorSums::by_parameter(std::size_t column) const {
  std::vector<double> sums(plan_.parameters.size());
  // Pieces are in lane order within a parameter, so this is a sum in lane order.
  for (std::size_t i = 0; i < plan_.pieces.size(); ++i)
    sums[plan_.pieces[i].parameter] += values_[i * columns_ + column];
  return sums;
}

}  // namespace vitrail::sharding
