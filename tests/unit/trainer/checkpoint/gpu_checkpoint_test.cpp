// A GPU's state in a checkpoint, on a GPU that is the host (tests/support/gpu_on_host).
#include <gtest/gtest.h>

#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"
#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"

namespace vitrail::trainer {
namespace {

using GpuCheckpointTest = CheckpointTest;

// Training stands still while the state is copied: nothing is waited for but the last copy.
TEST_F(GpuCheckpointTest, IsCopiedInOneGo) {
  const sharding::BucketPlan plan = plan_of(4);
  sharding::LocalCommunicator alone;
  const auto gpu = sharding::make_gpu_device(0);
  sharding::LaneState state(plan, {0, 4}, DataType::f32, *gpu);
  fill<float>(state);
  CheckpointWriter writer(checkpoints_, {}, stored_parameters(), state, state.lanes(), {}, alone);
  tests::gpu_on_host::take_counts();
  writer.begin(manifest_of(4, 4, 1, DataType::f32));
  const auto counts = tests::gpu_on_host::take_counts();
  EXPECT_EQ(counts.copies, static_cast<std::int64_t>(plan.pieces.size() * state.kinds().size()));
  EXPECT_EQ(counts.pageable_copies, 0);
  EXPECT_EQ(counts.waits, 1);

  ASSERT_EQ(writer.finish(), CheckpointWriter::Outcome::committed);
  const CheckpointReader checkpoint(writer.checkpoint());
  for (const sharding::StateKind kind : state.kinds()) {
    for (std::size_t p = 0; p < stored_parameters().size(); ++p) {
      const std::vector<float> values = checkpoint.read_all<float>(kind, p);
      for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(values[i], state_value<float>(kind, p, static_cast<std::int64_t>(i)));
    }
  }
}

}  // namespace
}  // namespace vitrail::trainer
