// The exchange of a step, gradients out and weights back, against MPI_Reduce_scatter_block and MPI_Allgather
// of the same buckets, in turns in one program: mpirun -n 4 --oversubscribe bench_exchange [MILLIONS
// [ROUNDS]]. One lane a rank; no computation goes on beside it.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

#include <fmt/format.h>

#include "sharding/comm/mpi_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/bench/exchange_handles.hpp"
#include "tests/support/direct_plan.hpp"

namespace vitrail {
namespace {

constexpr std::int64_t kBucketElements = 8 << 20;  // 32 MiB of fp32, the program's default

// Seconds until the last rank is done.
double timed(const std::function<void()>& f) {
  bench::barrier();
  const auto begin = std::chrono::steady_clock::now();
  f();
  bench::barrier();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

struct Side {
  const char* name;
  std::function<void()> gradients, weights;
  std::vector<double> out, back;
};

// In turns; the first round warms up.
void take_turns(std::vector<Side>& sides, int rounds) {
  for (int round = -1; round < rounds; ++round) {
    for (Side& side : sides) {
      const double out = timed(side.gradients), back = timed(side.weights);
      if (round < 0) continue;
      side.out.push_back(out);
      side.back.push_back(back);
    }
  }
}

void print(const std::vector<Side>& sides) {
  const auto row = [](const char* what, double ours, double theirs) {
    fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} |\n", what, ours * 1e3, theirs * 1e3, theirs / ours);
  };
  const double out[] = {median(sides[0].out), median(sides[1].out)};
  const double back[] = {median(sides[0].back), median(sides[1].back)};
  fmt::print("| what | ours ms | MPI ms | MPI / ours |\n|---|---|---|---|\n");
  row("gradients, reduce_scatter", out[0], out[1]);
  row("weights, allgather", back[0], back[1]);
  row("both", out[0] + back[0], out[1] + back[1]);
}

void compare(std::int64_t millions, int rounds) {
  sharding::FailureChannel failures;
  sharding::MpiCommunicator ranks(failures);
  std::vector<sharding::ParameterShape> shapes = {{"norms", 1 << 16, false}};
  for (std::int64_t i = 0; i < millions; ++i) shapes.push_back({fmt::format("w{}", i), 1'000'000, true});
  const auto plan = sharding::make_bucket_plan(shapes, ranks.size(), kBucketElements);

  sharding::HostDevice host;
  const sharding::ExchangePlan exchange = tests::direct_plan(plan.lanes, ranks);
  sharding::GradientReducer reducer(plan, exchange, {}, ranks, host);
  sharding::ParameterGather gather(plan, exchange, reducer.layout().held, ranks, host);
  std::vector<sharding::Buffer> weights, gradients, slices;
  std::vector<sharding::BucketData> views;
  for (const sharding::Bucket& bucket : plan.buckets) {
    weights.emplace_back(DataType::f32, bucket.slice * plan.lanes, host);
    gradients.emplace_back(DataType::f32, bucket.slice * plan.lanes, host);
    slices.emplace_back(DataType::f32, bucket.slice, host);
    views.push_back({weights.back().data(), DataType::f32});
  }
  const auto each = [&](auto&& f) {
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) f(b, plan.buckets[b].slice);
  };
  const auto floats = [](sharding::Buffer& buffer) { return buffer.as<float>().data(); };
  std::vector<Side> sides;
  sides.push_back({"ours",
                   [&] { reducer.exchange(); },
                   [&] {
                     gather.start(views);
                     gather.finish();
                   },
                   {},
                   {}});
  sides.push_back({"MPI",
                   [&] {
                     each([&](std::size_t b, std::int64_t n) {
                       bench::reduce_scatter(floats(gradients[b]), floats(slices[b]), n);
                     });
                   },
                   [&] {
                     each([&](std::size_t b, std::int64_t n) {
                       bench::all_gather(floats(slices[b]), floats(weights[b]), n);
                     });
                   },
                   {},
                   {}});
  take_turns(sides, rounds);
  if (ranks.rank() != 0) return;
  fmt::print("{} ranks, {:.1f} M elements in {} buckets\n", ranks.size(),
             static_cast<double>(plan.padded_elements()) / 1e6, plan.buckets.size());
  print(sides);
}

}  // namespace
}  // namespace vitrail

int main(int argc, char** argv) {
  const vitrail::sharding::MpiSession session;
  vitrail::compare(argc > 1 ? std::atoll(argv[1]) : 22, argc > 2 ? std::atoi(argv[2]) : 9);
}
