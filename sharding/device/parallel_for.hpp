// Work of independent items on several threads. A ParallelFor calls body(begin, end) for ranges that together
// are [0, items), each item once, and returns when all are done. `body` must not throw.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace vitrail::sharding {

using ParallelBody = std::function<void(std::int64_t begin, std::int64_t end)>;
using ParallelFor = std::function<void(std::int64_t items, const ParallelBody& body)>;

inline void serial_for(std::int64_t items, const ParallelBody& body) { body(0, items); }

// Starts its threads anew for each call (some 20 microseconds each): for work of milliseconds.
inline ParallelFor on_threads(std::int64_t threads) {
  return [threads](std::int64_t items, const ParallelBody& body) {
    constexpr std::int64_t kWorthAThread = 8;
    const std::int64_t parts = std::clamp<std::int64_t>(items / kWorthAThread, 1, threads);
    const auto run = [&](std::int64_t part) { body(part * items / parts, (part + 1) * items / parts); };
    std::vector<std::jthread> others;
    for (std::int64_t part = 1; part < parts; ++part) others.emplace_back(run, part);
    run(0);
  };
}

}  // namespace vitrail::sharding
