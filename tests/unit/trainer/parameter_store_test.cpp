#include "trainer/parameter_store.hpp"

#include <cstdint>

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "sharding/device/host_device.hpp"
#include "trainer/weights/param_groups.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kLanes = 4;

std::vector<models::ParameterSpec> specs() {
  return {{.name = "cls_token", .shape = {1, 1, 5}},
          {.name = "a.weight", .shape = {7, 9}, .in_compute_type = true},
          {.name = "b.weight", .shape = {3, 2, 4}, .in_compute_type = true},
          {.name = "b.bias", .shape = {50}}};
}

sharding::BucketPlan plan() { return sharding::make_bucket_plan(shapes_for_plan(specs()), kLanes, 1000); }

TEST(ParameterStore, TensorsAreLeavesThatLookIntoTheBuckets) {
  const sharding::BucketPlan p = plan();
  for (const DataType type : {DataType::f32, DataType::f64}) {
    const ParameterStore store(p, specs(), type);
    const auto buckets = store.buckets();
    ASSERT_EQ(buckets.size(), 2U);  // of what does not decay, and of matrices
    ASSERT_EQ(store.tensors().size(), specs().size());
    for (std::size_t i = 0; i < specs().size(); ++i) {
      const at::Tensor& tensor = store.tensors()[i];
      EXPECT_EQ(tensor.sizes(), at::IntArrayRef(specs()[i].shape));
      EXPECT_TRUE(tensor.is_leaf() && tensor.requires_grad() && tensor.is_contiguous());
      EXPECT_EQ(size_of(type), tensor.element_size());
      const auto& location = p.locations[i];
      EXPECT_EQ(static_cast<const std::byte*>(tensor.const_data_ptr()),
                buckets[location.bucket].data + static_cast<std::size_t>(location.begin) * size_of(type));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 64, 0U);
    }
  }
}

// While backward still needs one parameter, the gather may already write another of the same bucket.
TEST(ParameterStore, WritingOneParameterDoesNotSpoilTheBackwardOfAnother) {
  const sharding::BucketPlan p = plan();
  const ParameterStore store(p, specs(), DataType::f32);
  const at::Tensor &a = store.tensors()[1], &b = store.tensors()[2];
  ASSERT_EQ(p.locations[1].bucket, p.locations[2].bucket);
  {
    const at::NoGradGuard no_grad;
    a.fill_(2);
    b.fill_(3);
  }
  const at::Tensor loss = (a * a).sum();
  {
    const at::NoGradGuard no_grad;
    b.fill_(4);
  }
  loss.backward();
  EXPECT_TRUE(a.grad().eq(4).all().item<bool>());
}

TEST(ParameterStore, TakesTheMastersOfItsOwnLanesOnly) {
  const sharding::BucketPlan p = plan();
  ParameterStore store(p, specs(), DataType::f32);
  sharding::HostDevice host;
  sharding::LaneState state(p, {1, 3}, DataType::f32, host);
  for (std::size_t b = 0; b < p.buckets.size(); ++b) {
    auto values = state.slices(sharding::StateKind::weight, b).as<float>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  }
  store.take(state);
  for (std::size_t b = 0; b < p.buckets.size(); ++b) {
    const auto* bucket = reinterpret_cast<const float*>(store.buckets()[b].data);
    const std::int64_t slice = p.buckets[b].slice;
    for (std::int64_t i = 0; i < kLanes * slice; ++i) {
      const bool own = i >= slice && i < 3 * slice;
      ASSERT_EQ(bucket[i], own ? static_cast<float>(i - slice + 1) : 0.0F)
          << "bucket " << b << ", element " << i;
    }
  }
}

}  // namespace
}  // namespace vitrail::trainer
