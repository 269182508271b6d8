// What plans count for tasks of several views: with the multiply-accumulates of timm's networks, and by the
// arithmetic of what each task's step does.
#include "trainer/settings/sample_cost.hpp"

#include <gtest/gtest.h>

#include "models/families/catalogue.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

struct Macs {
  double all, in_training;  // in training nothing of the last block's patches, which no head reads
};

Macs macs_at(const Config& config, std::int64_t image_size) {
  models::ModelConfig network = network_of(config);
  network.image_size = image_size;
  const models::ModelSummary summary = models::describe_model(network);
  return {static_cast<double>(summary.macs), summary.macs_in_training};
}

Config learning(TaskName task) {
  Config config;
  config.task.name = task;
  config.model.name = "deit_s16";
  config.run.lanes = 8;
  config.data.global_batch_size = 64;
  return config;
}

TEST(SampleCost, DinoLooksAtTwoLargeViewsAndTheSmallOnes) {
  Config config = learning(TaskName::dino);
  config.dino.local_views = 6;
  config.dino.local_size = 96;
  config.dino.head.outputs = 4096;
  const Macs large = macs_at(config, 224), small = macs_at(config, 96);
  // timm's ViT-S/16 without a head: 4.6079 G; the projection head: 384 x 2048 + 2048 x 2048 + 2048 x 256 and
  // the prototypes. Of 36 patches there is less than a fifth of that of 196.
  EXPECT_NEAR(large.all, 4.6079e9 + 384 * 2048 + 2048 * 2048 + 2048 * 256 + 256 * 4096, 0.002 * large.all);
  EXPECT_LT(small.all, large.all / 5);
  const SampleCost cost = sample_cost(config, network_of(config));
  EXPECT_EQ(cost.student, 2 * large.in_training + 6 * small.in_training);
  EXPECT_EQ(cost.teacher, 2 * large.all);
  EXPECT_EQ(cost.deviation, 0);
  EXPECT_EQ(shared_numbers(config), 8 * 4096);  // of each lane the mean of the teacher's outputs
  config.model.name = "resnet50";
  config.model.batch_norm_lanes = 4;
  EXPECT_EQ(shared_numbers(config), 2 * 4096);  // of each group
  EXPECT_EQ(remembered_numbers(config), 0);
}

TEST(SampleCost, GrafitLooksAtOneViewMoreThanItsTarget) {
  Config config = learning(TaskName::grafit);
  config.grafit.views = 4;
  config.grafit.head.outputs = 128;
  const Macs view = macs_at(config, 224);
  const SampleCost cost = sample_cost(config, network_of(config));
  EXPECT_EQ(cost.student, 5 * view.in_training);
  EXPECT_EQ(cost.teacher, 4 * view.all);
  EXPECT_EQ(shared_numbers(config), 64 * 129);  // every sample's number and embedding
  EXPECT_EQ(remembered_numbers(config), 128);
  config.grafit.instance_weight = 0;
  EXPECT_EQ(sample_cost(config, network_of(config)).teacher, 0);
  EXPECT_EQ(sample_cost(config, network_of(config)).student, macs_at(config, 224).in_training);
}

TEST(SampleCost, AProbeLearnsItsHeadAlone) {
  Config config = learning(TaskName::linear);
  config.model.classes = 1000;
  const SampleCost cost = sample_cost(config, network_of(config));
  EXPECT_EQ(cost.student, 384 * 1000 + 1000);
  EXPECT_NEAR(cost.teacher, 4.6079e9, 0.002 * cost.teacher);
  EXPECT_EQ(shared_numbers(config), 0);
}

}  // namespace
}  // namespace vitrail::trainer
