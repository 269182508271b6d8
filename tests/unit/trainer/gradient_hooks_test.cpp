#include "trainer/gradient_hooks.hpp"

#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "tests/support/direct_plan.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

class GradientHooksTest : public testing::Test {
 protected:
  // sum of x^2 y_0 + 3 y_1: x is used twice, in two places of the graph.
  at::Tensor loss() const { return (x_ * x_).sum() * y_[0] + 3 * y_[1]; }

  const float* sum_of(std::size_t parameter) {
    const auto& location = plan_.locations[parameter];
    return reinterpret_cast<const float*>(reducer_.sum(location.bucket)) + location.begin;
  }

  at::Tensor x_ = at::tensor({1.0F, 2.0F, 3.0F}).requires_grad_();
  at::Tensor y_ = at::tensor({5.0F, 7.0F}).requires_grad_();
  sharding::BucketPlan plan_ = sharding::make_bucket_plan({{"x", 3, true}, {"y", 2, true}}, 2, 100);
  sharding::LocalCommunicator alone_;
  sharding::HostDevice host_;
  sharding::GradientReducer reducer_{plan_, tests::direct_plan(plan_.lanes, alone_), {}, alone_, host_};
};

TEST_F(GradientHooksTest, EveryGradientComesOnceAndNoneStays) {
  const GradientHooks hooks({x_, y_}, reducer_);
  for (int step = 0; step < 2; ++step) {
    for (std::int64_t lane = 0; lane < 2; ++lane) {
      reducer_.begin_lane(lane);
      loss().backward();  // a second delivery would throw, here or in end_lane
      reducer_.end_lane();
      EXPECT_FALSE(x_.grad().defined() || y_.grad().defined());
    }
    reducer_.exchange();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(sum_of(0)[i], 2 * (2.0F * static_cast<float>(i + 1) * 5.0F));
    EXPECT_EQ(sum_of(1)[0], 2 * 14.0F);
    EXPECT_EQ(sum_of(1)[1], 2 * 3.0F);
  }
}

TEST_F(GradientHooksTest, AParameterThatTheLossDoesNotReachIsNamed) {
  const GradientHooks hooks({x_, y_}, reducer_);
  reducer_.begin_lane(1);
  (x_ * x_).sum().backward();
  try {
    reducer_.end_lane();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "lane 1: parameter y got no gradient");
  }
}

TEST_F(GradientHooksTest, AGradientTwiceInALaneIsAnError) {
  const GradientHooks hooks({x_, y_}, reducer_);
  reducer_.begin_lane(0);
  loss().backward();
  EXPECT_THROW(loss().backward(), std::exception);
}

TEST_F(GradientHooksTest, GradientsOfAStridedViewArriveInOrder) {
  sharding::BucketPlan plan = sharding::make_bucket_plan({{"w", 6, true}}, 1, 100);
  sharding::GradientReducer reducer(plan, tests::direct_plan(plan.lanes, alone_), {}, alone_, host_);
  const at::Tensor w = at::ones({2, 3}).requires_grad_();
  const GradientHooks hooks({w}, reducer);
  reducer.begin_lane(0);
  (w.t() * at::arange(6, at::kFloat).view({3, 2})).sum().backward();  // its gradient is a transposed view
  reducer.end_lane();
  reducer.exchange();
  const std::vector<float> expected = {0, 2, 4, 1, 3, 5};
  const auto* sum = reinterpret_cast<const float*>(reducer.sum(0));
  EXPECT_EQ(std::vector<float>(sum, sum + 6), expected);
}

TEST_F(GradientHooksTest, AfterItsLifeGradientsStayWithTheParameters) {
  { const GradientHooks hooks({x_, y_}, reducer_); }
  loss().backward();
  ASSERT_TRUE(x_.grad().defined());
  EXPECT_EQ(x_.grad()[2].item<float>(), 30.0F);
}

}  // namespace
}  // namespace vitrail::trainer
