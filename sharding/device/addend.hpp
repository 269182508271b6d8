// One of the sums that Stream::add adds. C++17, for the CUDA compiler.
#pragma once

#include <cstddef>

#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

struct Addend {
  const std::byte* sum = nullptr;
  DataType type = DataType::f32;  // the sum's, or of halves that are added in f32
  int additions = 0;              // that follow it, each of the last two sums that are left
};

}  // namespace vitrail::sharding
