// The plan's bytes against what the process really holds.
#include "sharding/plan/memory_plan.hpp"

#include <array>
#include <cstdio>

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sharding/device/host_device.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/lane_state.hpp"
#include "tests/support/absent_world.hpp"

#ifdef __SANITIZE_ADDRESS__                                        // GCC has no header of it
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // NOLINT(bugprone-reserved-identifier)
#endif

namespace vitrail::sharding {
namespace {

constexpr std::int64_t kPlanLanes = 8;

constexpr std::int64_t kMatrix = 1'000'000;

// 12 M weights in matrices, two in a bucket, so that everything is large beside a page.
BucketPlan plan_of_lanes() {
  std::vector<ParameterShape> parameters = {{"bias", 5000, false}};
  for (int i = 0; i < 12; ++i) parameters.push_back({fmt::format("w{}", i), kMatrix, true});
  parameters.push_back({"norm", 5000, false});
  return make_bucket_plan(parameters, kPlanLanes, 2 * kMatrix);
}

#ifdef __SANITIZE_ADDRESS__
// What is resident has the sanitizer's shadow in it, and what was freed before and is held back.
std::int64_t held() { return static_cast<std::int64_t>(__sanitizer_get_current_allocated_bytes()); }
#else
std::int64_t held() {  // resident
  long long pages = 0, unused = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  EXPECT_EQ(std::fscanf(file, "%lld %lld", &unused, &pages), 2);
  std::fclose(file);
  return pages * ::sysconf(_SC_PAGESIZE);
}
#endif

// Gradients of one step, as backward brings them.
void fill(GradientReducer& gradients, const std::vector<std::byte>& zeros) {
  for (std::int64_t lane = gradients.layout().lanes.begin; lane < gradients.layout().lanes.end; ++lane) {
    gradients.begin_lane(lane);
    // Vectors come all along backward, and a bucket begins before the one before it is complete.
    for (const std::size_t p : {13, 12, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 1, 0}) gradients.add(p, zeros.data());
    gradients.end_lane();
  }
  gradients.exchange();
}

struct Taken {
  std::int64_t gradients = 0, state = 0;
};

// Measured in a process of its own, which has given nothing back.
Taken take(const ExchangePlan& exchange, const ReducerOptions& settings, std::size_t kinds) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const BucketPlan p = plan_of_lanes();
    tests::AbsentWorld ranks(exchange.world, exchange.world - 1);
    const std::vector<std::byte> zeros(static_cast<std::size_t>(kMatrix) * sizeof(float));
    ::malloc_trim(0);  // what the parent gave back would be taken again unseen
    const std::int64_t before = held();
    HostDevice host;
    GradientReducer gradients(p, exchange, settings, ranks, host);
    fill(gradients, zeros);
    const std::int64_t between = held();
    const std::vector<StateKind> all(kStateKinds.begin(), kStateKinds.begin() + static_cast<int>(kinds));
    const LaneState state(p, gradients.layout().held, DataType::f32, host, all);
    const Taken taken{between - before, held() - between};
    ::_exit(::write(ends[1], &taken, sizeof taken) == sizeof taken ? 0 : 1);
  }
  Taken taken;
  EXPECT_EQ(::read(ends[0], &taken, sizeof taken), static_cast<ssize_t>(sizeof taken));
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : ends) ::close(end);
  return taken;
}

constexpr double kShare = 0.02;

struct Planned {
  ReducerOptions settings;
  ExchangeRoute route = ExchangeRoute::direct;
};

class MemoryPlans : public testing::TestWithParam<Planned> {};

TEST_P(MemoryPlans, AreWithinTwoPercentOfWhatIsTaken) {
  const BucketPlan p = plan_of_lanes();
  const Stage stage = GetParam().settings.stage;
  for (const int world : {1, 2, 4, 8}) {
    if (stage.frees_gradients && world != kPlanLanes) continue;
    const ExchangePlan exchange = exchange_plan(GetParam().route, kPlanLanes, full_nodes(world, 2));
    for (const std::size_t kinds : {3U, 4U}) {
      const MemoryPlan planned = memory_plan(p, exchange, GetParam().settings, {DataType::f32, kinds});
      const Taken taken = take(exchange, GetParam().settings, kinds);
      const auto near = [&](std::int64_t found, double expected, const char* what) {
        EXPECT_NEAR(static_cast<double>(found), expected, kShare * expected)
            << what << ", " << world << " ranks, " << kinds << " kinds";
      };
      near(taken.gradients, static_cast<double>(planned.gradients + planned.exchange), "gradients");
      near(taken.state, static_cast<double>(planned.state), "state");
      // 12 bytes per parameter, 16 with an average, over N
      const double shared_by = stage.shards_state ? world : 1;
      near(planned.state,
           4.0 * static_cast<double>(kinds) * static_cast<double>(p.parameter_elements()) / shared_by,
           "the formula");
    }
  }
}

ReducerOptions in_stage(std::int64_t stage, DataType matrix_type = DataType::f32) {
  return {.matrix_type = matrix_type, .stage = stage_of(stage)};
}

INSTANTIATE_TEST_SUITE_P(
    Stages, MemoryPlans,
    testing::Values(Planned{in_stage(0)}, Planned{in_stage(1)}, Planned{in_stage(2)},
                    Planned{in_stage(1, DataType::f16)}, Planned{in_stage(2, DataType::f16)},
                    Planned{in_stage(1), ExchangeRoute::two_level},
                    Planned{with_turns(in_stage(1), ExchangeRoute::halving), ExchangeRoute::halving},
                    Planned{in_stage(2), ExchangeRoute::halving}));

}  // namespace
}  // namespace vitrail::sharding
