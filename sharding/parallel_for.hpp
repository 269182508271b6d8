// How work of independent items is spread over threads: whoever owns the threads hands a ParallelFor in.
// It calls body(begin, end) for ranges that together are [0, items), each item once, and returns when all are
// done.
#pragma once

#include <cstdint>
#include <functional>

namespace vitrail::sharding {

using ParallelBody = std::function<void(std::int64_t begin, std::int64_t end)>;
using ParallelFor = std::function<void(std::int64_t items, const ParallelBody& body)>;

inline void serial_for(std::int64_t items, const ParallelBody& body) { body(0, items); }

}  // namespace vitrail::sharding
