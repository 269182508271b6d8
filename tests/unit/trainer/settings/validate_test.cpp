#include "trainer/settings/validate.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

// What a good configuration is refused with after `change`: "78 ..."; empty: accepted.
std::string rule_refusal(const std::function<void(Config&)>& change,
                         const std::function<void(const Config&)>& check = validate) {
  Config config;
  config.run.lanes = 4;
  config.run.steps = 20;
  config.data.global_batch_size = 32;
  change(config);
  try {
    check(config);
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "";
}

TEST(Validate, ATeacherHasWeightsAndAKnownName) {
  const auto taught = [](const std::string& weights, const std::string& model) {
    return rule_refusal([&](Config& c) {
      c.distillation.type = DistillationType::soft;
      c.distillation.teacher_model = model;
      c.distillation.teacher_weights = weights;
    });
  };
  EXPECT_EQ(taught("a.safetensors", "regnety_160"), "");
  EXPECT_EQ(taught("runs/a", ""), "");
  const std::string without = "78 distillation.type = soft without distillation.teacher_weights:";
  EXPECT_EQ(taught("", "regnety_160").substr(0, without.size()), without);
  EXPECT_EQ(taught("a", "regnety_16"),
            "2 distillation.teacher_model: no model is called \"regnety_16\"; nearest: regnety_160");
}

TEST(Validate, PatternsOfTrainedParametersMatchSome) {
  const auto only = [](const std::string& patterns) {
    return rule_refusal([&](Config& c) { c.finetune.train_only = patterns; });
  };
  EXPECT_EQ(only("head.*,*.attn.*,pos_embed"), "");
  EXPECT_EQ(only("*"), "");
  EXPECT_EQ(only("blocks.*7.mlp.fc1.weight"), "");
  EXPECT_EQ(only("*b*s.*7*fc*weight*"), "");
  const std::string none = "78 finetune.train_only: no parameter of the model matches ";
  for (const std::string word :
       {"head", "*.atn.*", "pos_embed*x", "cls_token*cls_token", "**************************x"}) {
    EXPECT_EQ(only("head.*," + word), fmt::format("{}\"{}\"", none, word));
  }
}

TEST(Validate, GroupsOfLanesAreAPowerOfTwoOfANetworkWithBatchNorm) {
  const auto together = [](std::int64_t lanes, const std::string& model) {
    return rule_refusal([&](Config& c) {
      c.model.batch_norm_lanes = lanes;
      c.model.name = model;
    });
  };
  for (const std::int64_t lanes : {1, 2, 4}) EXPECT_EQ(together(lanes, "resnet50"), "") << lanes;
  EXPECT_EQ(together(1, "vit_s16"), "");
  const std::string rule = ": groups of lanes are a power of two, and no more than all lanes; set ";
  EXPECT_EQ(together(3, "resnet50"),
            "78 model.batch_norm_lanes = 3 with run.lanes = 4" + rule + "model.batch_norm_lanes = 2");
  EXPECT_EQ(together(8, "resnet50"), "78 model.batch_norm_lanes = 8 with run.lanes = 4" + rule +
                                         "model.batch_norm_lanes = 4, or more lanes");
  EXPECT_EQ(together(2, "vit_s16"),
            "78 model.batch_norm_lanes = 2: vit_s16 has no batch norm, whose statistics are all that lanes "
            "share; leave it out");
}

TEST(Validate, ReassessedLabelsCountAllClasses) {
  const auto text = rule_refusal(
      [](Config& c) {
        c.evaluation.real_labels = "real.json";
        c.data.classes = "few.txt";
      },
      validate_evaluation);
  EXPECT_EQ(text.substr(0, 57), "78 evaluate.real_labels = real.json with data.classes = f") << text;
}

TEST(Validate, ViewsWantImagesAndPartsOfThem) {
  const auto dino = [](const std::function<void(Config&)>& change) {
    return rule_refusal([&](Config& c) {
      c.task.name = TaskName::dino;
      c.model.name = "deit_s16";
      change(c);
    });
  };
  const auto begins = [](const std::string& text, const std::string& with) {
    EXPECT_EQ(text.substr(0, with.size()), with);
  };
  EXPECT_EQ(dino([](Config&) {}), "");
  EXPECT_EQ(dino([](Config& c) { c.evaluation.weights = WeightsUsed::ema; }), "");  // the teacher
  EXPECT_EQ(dino([](Config& c) { c.checkpoint.keep_best = BestBy::top1; }), "");
  begins(dino([](Config& c) { c.data.train = "tensor:a.safetensors"; }),
         "78 task.name = dino with data.train = tensor:a.safetensors: ");
  begins(dino([](Config& c) { c.dino.local_min_area = 0.5; }),
         "78 dino.local_min_area = 0.5 is above dino.local_max_area = 0.4; ");
  begins(dino([](Config& c) { c.checkpoint.keep_best = BestBy::loss; }),
         "78 checkpoint.keep_best = loss with task.name = dino and evaluate.protocol = auto: ");
  begins(dino([](Config& c) { c.model.name = "deit_s16_distilled"; }),
         "78 model.name = deit_s16_distilled: ");
}

// As the first step would end: networks of one size alone, and views without a whole patch.
TEST(Validate, ViewsAreOfASizeThatTheNetworkCanLookAt) {
  const auto dino = [](const std::string& model, std::int64_t local_size, std::int64_t views = 8) {
    return rule_refusal([&](Config& c) {
      c.task.name = TaskName::dino;
      c.model.name = model;
      c.dino.local_size = local_size;
      c.dino.local_views = views;
    });
  };
  for (const char* model : {"deit_s16", "xcit_s12_p16", "resnet50", "regnety_160", "vit_s16_hmlp"}) {
    EXPECT_EQ(dino(model, 96), "") << model;
    EXPECT_EQ(dino(model, 256), "") << model;
  }
  EXPECT_EQ(dino("resnet50", 8), "");
  EXPECT_EQ(dino("deit_s16", 16), "");
  EXPECT_EQ(dino("deit_s16", 15),
            "78 dino.local_size = 15 with model.name = deit_s16: less than one patch of 16 px; set "
            "dino.local_size = 16 or more");
  EXPECT_EQ(dino("xcit_s12_p8", 7).substr(0, 23), "78 dino.local_size = 7 ");
  EXPECT_EQ(dino("resmlp_s12", 96),
            "78 dino.local_size = 96 with model.name = resmlp_s12 at 224 px: it looks at images of one size "
            "alone; set dino.local_size = 224, or dino.local_views = 0");
  for (const char* model : {"resmlp_s12", "cait_s24", "convit_s", "resnet50_attn", "patchconvnet_s60"}) {
    EXPECT_NE(dino(model, 96), "") << model;
    EXPECT_EQ(dino(model, 224), "") << model;
    EXPECT_EQ(dino(model, 96, 0), "") << model;
  }
}

TEST(Validate, NeighboursJudgeClassifiersToo) {
  const auto judged = [](const std::function<void(Config&)>& change) {
    return rule_refusal([&](Config& c) {
      c.evaluation.protocol = Protocol::knn;
      change(c);
    });
  };
  EXPECT_EQ(judged([](Config&) {}), "");
  EXPECT_EQ(judged([](Config& c) { c.checkpoint.keep_best = BestBy::loss; }),
            "78 checkpoint.keep_best = loss with task.name = classification and evaluate.protocol = knn: "
            "neighbours judge, which have no loss; set checkpoint.keep_best = top1");
  EXPECT_NE(judged([](Config& c) { c.evaluation.features = "projection"; }), "");
  EXPECT_EQ(judged([](Config& c) {
              c.task.name = TaskName::mae;
              c.model.name = "deit_b16";
            }),
            "");
  const auto classified = [](Config& c) {
    c.task.name = TaskName::dino;
    c.model.name = "deit_s16";
    c.evaluation.protocol = Protocol::classifier;
  };
  for (const auto check : {validate, validate_evaluation})
    EXPECT_EQ(rule_refusal(classified, check).substr(0, 64),
              "78 evaluate.protocol = classifier with task.name = dino: it lear");
}

TEST(Validate, OneKindOfClippingByParts) {
  EXPECT_EQ(rule_refusal([](Config& c) {
              c.optimizer.clip_adaptive = 0.01;
              c.optimizer.clip_tensor = 3;
            }).substr(0, 63),
            "78 optimizer.clip_adaptive = 0.01 with optimizer.clip_tensor = ");
}

TEST(Validate, MaskedPatchesWantAVisionTransformer) {
  const auto mae = [](const std::string& name, double masked) {
    return rule_refusal([&](Config& c) {
      c.task.name = TaskName::mae;
      c.model.name = name;
      c.mae.head.masked = masked;
    });
  };
  EXPECT_EQ(mae("deit_b16", 0.75), "");
  for (const char* const name : {"resnet50", "cait_s24", "xcit_s12_p16", "vit_b16", "deit_b16_distilled"})
    EXPECT_EQ(mae(name, 0.75).substr(0, 16), "78 model.name = ") << name;
  EXPECT_EQ(mae("deit_b16", 0.999).substr(0, 24), "78 mae.masked = 0.999: o");
}

TEST(Validate, EmbeddingsWantAPlaceForThem) {
  const auto learned = [](TaskName task, const std::function<void(Config&)>& change) {
    return rule_refusal([&](Config& c) {
      c.task.name = task;
      c.model.name = "deit_s16";
      change(c);
    });
  };
  const auto begins = [](const std::string& text, const std::string& with) {
    EXPECT_EQ(text.substr(0, with.size()), with);
  };
  const auto by_embedding = [](Config& c) { c.evaluation.features = "projection"; };
  EXPECT_EQ(learned(TaskName::grafit, by_embedding), "");
  begins(learned(TaskName::dino, by_embedding), "78 evaluate.features = projection with task.name = dino: ");
  begins(learned(TaskName::grafit, [](Config& c) { c.model.name = "deit_s16_distilled"; }),
         "78 model.name = deit_s16_distilled: ");
  const auto of_tensors = [](Config& c) { c.data.train = "tensor:a.safetensors"; };
  begins(learned(TaskName::grafit, of_tensors),
         "78 task.name = grafit with data.train = tensor:a.safetensors: ");
  EXPECT_EQ(learned(TaskName::grafit,
                    [&](Config& c) {
                      of_tensors(c);
                      c.grafit.instance_weight = 0;  // one view is one view
                    }),
            "");
  EXPECT_EQ(learned(TaskName::linear, [](Config&) {}), "");
  begins(learned(TaskName::linear, [](Config& c) { c.finetune.train_only = "head.*"; }),
         "78 finetune.train_only = head.* with task.name = linear: ");
}

TEST(Validate, AcceptsAGoodConfiguration) {
  EXPECT_EQ(rule_refusal([](Config&) {}), "");
  EXPECT_EQ(rule_refusal([](Config& c) {
              c.run.steps = 0;
              c.run.epochs = 90;
              c.augment.mixup = 0.8;
              c.augment.cutmix = 1.0;
              c.loss.smoothing = 0.1;
              c.precision.compute = Precision::fp64;
              c.run.device = Device::cpu;
            }),
            "");
}

TEST(Validate, LanesAreAPowerOfTwo) {
  for (const std::int64_t lanes : {0, 3, 6, -4}) {
    EXPECT_EQ(rule_refusal([&](Config& c) { c.run.lanes = lanes; }),
              "78 run.lanes = " + std::to_string(lanes) +
                  ": lanes are a power of two; choose the most ranks the run will ever use, rounded up");
  }
}

TEST(Validate, ExactlyOneLength) {
  EXPECT_EQ(rule_refusal([](Config& c) { c.run.steps = 0; }),
            "78 run.epochs = 0 with run.steps = 0: set exactly one of them, the length of the run");
  EXPECT_EQ(rule_refusal([](Config& c) { c.run.epochs = 2; }),
            "78 run.epochs = 2 with run.steps = 20: set exactly one of them, the length of the run");
}

TEST(Validate, EveryLaneTakesTheSame) {
  EXPECT_EQ(
      rule_refusal([](Config& c) { c.data.global_batch_size = 30; }),
      "78 data.global_batch_size = 30 with run.lanes = 4: every lane takes the same number of images; set "
      "data.global_batch_size = 28 or 32");
  EXPECT_EQ(
      rule_refusal([](Config& c) { c.data.global_batch_size = 3; }),
      "78 data.global_batch_size = 3 with run.lanes = 4: every lane takes the same number of images; set "
      "data.global_batch_size = 4");
}

TEST(Validate, MixingNeedsPairs) {
  const std::string end =
      " with data.global_batch_size = 36 and run.lanes = 4: mixing pairs the images of a lane, and 9 is odd; "
      "set "
      "data.global_batch_size = 32 or 40, or both alphas to 0";
  EXPECT_EQ(rule_refusal([](Config& c) {
              c.data.global_batch_size = 36;
              c.augment.mixup = 0.8;
            }),
            "78 augment.mixup = 0.8 and augment.cutmix = 0" + end);
  EXPECT_EQ(rule_refusal([](Config& c) {
              c.data.global_batch_size = 36;
              c.augment.cutmix = 1;
            }),
            "78 augment.mixup = 0 and augment.cutmix = 1" + end);
  EXPECT_EQ(rule_refusal([](Config& c) { c.data.global_batch_size = 36; }), "");
}

TEST(Validate, SmoothingWithBinaryCrossEntropy) {
  EXPECT_EQ(rule_refusal([](Config& c) {
              c.loss.name = LossName::bce;
              c.loss.smoothing = 0.1;
            }),
            "78 loss.smoothing = 0.1 with loss.name = bce and loss.threshold = 0: smoothing would make every "
            "class a "
            "positive one; set loss.smoothing = 0, a larger loss.threshold, or loss.name = ce");
  EXPECT_EQ(rule_refusal([](Config& c) { c.loss = {LossName::bce, 0.1, 0.2}; }), "");
  EXPECT_NE(rule_refusal([](Config& c) {
              c.loss = {LossName::bce, 0.5, 0.2};
              c.model.classes = 2;
            }),
            "");
  EXPECT_EQ(rule_refusal([](Config& c) { c.loss.name = LossName::bce; }), "");
}

TEST(Validate, TraceOfAStepThatComes) {
  EXPECT_EQ(rule_refusal([](Config& c) { c.log.trace_step = c.run.steps + 1; }).substr(0, 20),
            "78 log.trace_step = ");
  EXPECT_EQ(rule_refusal([](Config& c) { c.log.trace_step = c.run.steps; }), "");
}

TEST(Validate, EvaluationNeedsNoLength) {
  EXPECT_EQ(rule_refusal([](Config& c) { c.run.steps = 0; }, validate_evaluation), "");
}

}  // namespace
}  // namespace vitrail::trainer
