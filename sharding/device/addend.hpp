// One of the sums that Stream::add adds. C++17, for the CUDA compiler.
#pragma once

#include <cstddef>

namespace vitrail::sharding {

struct Addend {
  const std::byte* sum = nullptr;
  int additions = 0;  // that follow it, each of the last two sums that are left
};

}  // namespace vitrail::sharding
