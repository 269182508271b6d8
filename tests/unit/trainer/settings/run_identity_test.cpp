// Which changes of settings make it another run.
#include "trainer/settings/run_identity.hpp"

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

TEST(RunIdentity, WhatIsPartOfARunsIdentity) {
  for (const char* key : {"run.seed", "run.lanes", "data.global_batch_size", "data.order",
                          "data.repeated_augmentation", "augment.mixup", "augment.crop", "model.name",
                          "model.drop_path", "loss.smoothing", "precision.compute", "optimizer.name",
                          "finetune.train_only", "distillation.type", "distillation.teacher_weights"}) {
    EXPECT_TRUE(is_identity(key)) << key;
  }
  for (const char* key :
       {"run.name", "run.dir", "run.steps", "run.threads", "data.train", "data.workers", "model.weights",
        "finetune.weights", "model.activation_checkpointing", "optimizer.lr", "optimizer.weight_decay",
        "schedule.warmup", "checkpoint.every", "evaluate.every", "log.every", "sharding.bucket_mib"}) {
    EXPECT_FALSE(is_identity(key)) << key;
  }
}

TEST(RunIdentity, TheFirstDifferenceIsNamedWithBothValues) {
  const std::map<std::string, std::string> stored = {{"run.lanes", "4"},
                                                     {"run.seed", "1"},
                                                     {"run.dir", "a"},
                                                     {"optimizer.lr", "0.1"},
                                                     {"model.weights", "a"}};
  const auto changed = [&](const std::string& key, const std::string& value) {
    auto current = stored;
    current[key] = value;
    return why_refused(stored, current);
  };
  EXPECT_EQ(why_refused(stored, stored), "");
  EXPECT_EQ(changed("run.lanes", "8"), "run.lanes was 4, is 8");
  EXPECT_EQ(changed("run.dir", "b"), "");
  EXPECT_EQ(changed("optimizer.lr", "0.2"), "");
  EXPECT_EQ(changed("model.weights", "b"), "") << "they are read once, at the beginning";
  EXPECT_EQ(changed("model.depth", "3"), "model.depth was unset, is 3");
  auto current = stored;
  current.erase("run.seed");
  EXPECT_EQ(why_refused(stored, current), "run.seed was 1, is unset");
}

}  // namespace
}  // namespace vitrail::trainer
