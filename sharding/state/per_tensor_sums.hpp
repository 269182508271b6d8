// Sums over whole tensors whose elements are spread over lanes: doubles per piece, filled by the piece's
// owner, added on every rank in lane order. After an all-reduce of values() (which only adds zeros) every
// rank gets the bits that one rank alone would get.
#pragma once

#include <span>
#include <vector>

#include "sharding/plan/bucket_plan.hpp"

namespace vitrail::sharding {

class PerTensorSums {
 public:
  // `columns` doubles per piece, e.g. two for {|weight|^2, |update|^2}; zero where this rank does not own the
  // piece.
  PerTensorSums(const BucketPlan& plan, std::size_t columns)
      : plan_(plan), columns_(columns), values_(plan.pieces.size() * columns) {}

  double& at(std::size_t piece, std::size_t column) { return values_[piece * columns_ + column]; }
  double at(std::size_t piece, std::size_t column) const { return values_[piece * columns_ + column]; }
  std::span<double> values() { return values_; }

  std::size_t columns() const { return columns_; }

  std::vector<double> by_parameter(std::size_t column) const;

 private:
  const BucketPlan& plan_;
  std::size_t columns_;
  std::vector<double> values_;
};

}  // namespace vitrail::sharding
