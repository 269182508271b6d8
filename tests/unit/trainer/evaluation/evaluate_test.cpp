// Evaluation of a "network" whose logits are the first numbers of each image: every count is known.
#include "trainer/evaluation/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/model.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/philox.hpp"
#include "trainer/tasks/classification_scorer.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kSide = 2;
constexpr std::size_t kNumbers = 3 * kSide * kSide;  // of an image: the most classes there can be

struct Example {
  std::vector<float> logits;
  std::int64_t label;
};

class Examples final : public datasets::Dataset {
 public:
  explicit Examples(std::vector<Example> examples) : examples_(std::move(examples)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(examples_.size()); }
  std::int64_t classes() const override { return static_cast<std::int64_t>(examples_[0].logits.size()); }
  std::string class_name(std::int64_t) const override { return "any"; }
  std::int64_t label(std::int64_t index) const override {
    return examples_[static_cast<std::size_t>(index)].label;
  }
  std::optional<std::int64_t> tensor_image_size() const override { return kSide; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "examples"; }
  datasets::Sample read(std::int64_t index) const override {
    datasets::Sample sample;
    sample.tensor = examples_[static_cast<std::size_t>(index)].logits;
    sample.tensor.resize(kNumbers);
    return sample;
  }

 private:
  std::vector<Example> examples_;
};

class FirstNumbers final : public models::Model {
 public:
  explicit FirstNumbers(std::int64_t classes)
      : Model("first", kSide, {}, std::nullopt, {}), classes_(classes) {}

 private:
  models::Features body(const at::Tensor& images, const models::Pass& pass) const override {
    EXPECT_FALSE(pass.training);
    return {images.reshape({images.size(0), -1}).narrow(1, 0, classes_), {}};
  }

  std::int64_t classes_;
};

Scores evaluate_all(const std::vector<Example>& examples, sharding::Communicator& communicator,
                    std::int64_t lanes = 4, std::int64_t batch = 5, bool flip = false) {
  const FirstNumbers model(static_cast<std::int64_t>(examples[0].logits.size()));
  const EvaluationOptions options{lanes, batch, 1, {kSide, 1.0}, DataType::f32};
  ClassificationScorer scorer({lanes, flip});
  return evaluate(model, std::make_shared<Examples>(examples), options, scorer, communicator,
                  [] { return false; })
      .value();
}

Scores evaluate_alone(const std::vector<Example>& examples) {
  sharding::LocalCommunicator alone;
  return evaluate_all(examples, alone);
}

std::vector<Example> random_examples(std::size_t count, std::size_t classes) {
  std::vector<Example> examples(count);
  Philox random(4, Purpose::test, 0, classes);
  for (Example& example : examples) {
    for (std::size_t k = 0; k < classes; ++k) example.logits.push_back(static_cast<float>(random.normal()));
    example.label = static_cast<std::int64_t>(random.below(classes));
  }
  return examples;
}

// By sorting, in the order of the images.
Scores by_sorting(const std::vector<Example>& examples) {
  std::int64_t images = 0;
  double top1 = 0, top5 = 0, loss = 0;
  for (const auto& [logits, label] : examples) {
    std::vector<std::size_t> order(logits.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::stable_sort(order.begin(), order.end(), [&z = logits](auto a, auto b) { return z[a] > z[b]; });
    const auto place = std::find(order.begin(), order.end(), static_cast<std::size_t>(label)) - order.begin();
    images += 1;
    top1 += place < 1 ? 1 : 0;
    top5 += place < 5 ? 1 : 0;
    double sum = 0;
    for (const float z : logits) sum += std::exp(static_cast<double>(z));
    loss += std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
  }
  const auto n = static_cast<double>(images);
  return {images, {top1_score(100 * top1 / n), top5_score(100 * top5 / n), loss_score(loss / n)}};
}

// The crops of an image stand side by side; its logits are their mean, with mirrors that of both means.
TEST(Evaluation, LogitsAreTheMeanOverCrops) {
  const FirstNumbers model(2);
  at::Tensor images = at::zeros({6, 3, 2, 2});  // two images of three crops
  for (int i = 0; i < 6; ++i) {
    images[i][0][0][0] = i * i;
    images[i][0][0][1] = 10 - i;
  }
  const at::Tensor logits = evaluation_logits(model, images, false, 3);
  EXPECT_TRUE(at::allclose(logits, at::tensor({5.0F / 3, 9.0F, 50.0F / 3, 6.0F}).view({2, 2})));
  const at::Tensor both = evaluation_logits(model, images, true, 3);  // a mirror swaps the two numbers
  EXPECT_TRUE(at::allclose(both, (logits + logits.flip(1)) / 2));
  EXPECT_TRUE(at::equal(evaluation_logits(model, images, false), images.flatten(1).narrow(1, 0, 2)));
}

// The images are 2 x 2, so a mirror swaps neighbours among the first numbers.
TEST(Evaluation, FlipAveragesAnImageAndItsMirror) {
  std::vector<Example> examples = random_examples(9, 4), averaged = examples;
  for (Example& example : averaged) {
    const std::vector<float> z = example.logits;
    example.logits = {(z[0] + z[1]) / 2, (z[0] + z[1]) / 2, (z[2] + z[3]) / 2, (z[2] + z[3]) / 2};
  }
  sharding::LocalCommunicator alone;
  const Scores flipped = evaluate_all(examples, alone, 4, 5, true);
  EXPECT_NEAR(flipped["loss"], evaluate_alone(averaged)["loss"], 1e-6);
  EXPECT_GT(std::abs(flipped["loss"] - evaluate_alone(examples)["loss"]), 1e-3);
}

TEST(Evaluate, CountsEveryImageOnceWhateverTheRanksAndBatches) {
  const std::vector<Example> examples = random_examples(101, 12);
  const Scores expected = by_sorting(examples);
  for (const std::int64_t batch : {1, 7, 1000}) {
    sharding::LocalCommunicator alone;
    const double loss = evaluate_all(examples, alone, 4, batch)["loss"];
    for (const int world : {1, 2, 3, 4}) {
      tests::run_world(world, [&](sharding::Communicator& communicator) {
        const Scores m = evaluate_all(examples, communicator, 4, batch);
        EXPECT_EQ(m.images, 101);
        EXPECT_EQ(m["top1"], expected["top1"]);
        EXPECT_EQ(m["top5"], expected["top5"]);
        EXPECT_NEAR(m["loss"], expected["loss"], 1e-12);
        EXPECT_EQ(m["loss"], loss) << world << " ranks";
      });
    }
  }
}

TEST(Evaluate, FewerImagesThanLanes) {
  const std::vector<Example> examples = random_examples(3, 6);
  sharding::LocalCommunicator alone;
  const Scores m = evaluate_all(examples, alone, 8);
  EXPECT_EQ(m.images, 3);
  EXPECT_EQ(m["top5"], by_sorting(examples)["top5"]);
}

TEST(Evaluate, TiesGoToTheLowerClass) {
  const std::vector<float> equal(7, 0.5F);
  EXPECT_EQ(evaluate_alone({{equal, 0}})["top1"], 100);
  EXPECT_EQ(evaluate_alone({{equal, 1}})["top1"], 0);
  EXPECT_EQ(evaluate_alone({{equal, 4}})["top5"], 100);
  EXPECT_EQ(evaluate_alone({{equal, 5}})["top5"], 0);
}

TEST(Evaluate, WithFewerThanFiveClassesEveryLabelIsAmongTheFive) {
  const Scores m = evaluate_alone(random_examples(40, 3));
  EXPECT_EQ(m["top5"], 100);
  EXPECT_LT(m["top1"], 100);
}

TEST(Evaluate, LargeLogitsDoNotOverflow) {
  const Scores m = evaluate_alone({{{1e4F, 0.0F}, 1}});
  EXPECT_EQ(m["loss"], 1e4);
}

TEST(Evaluate, ABrokenNetworkHitsNothing) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t label = 0; label < 3; ++label) {
    const Scores m = evaluate_alone({{{kNan, kNan, kNan}, label}});
    EXPECT_EQ(m["top1"], 0);
    EXPECT_EQ(m["top5"], 0);
    EXPECT_TRUE(std::isnan(m["loss"]));
  }
  EXPECT_EQ(evaluate_alone({{{1, kNan, 0}, 0}})["top1"], 0) << "NaN is not less than 1";
}

TEST(Evaluate, LabelsBeyondTheModelsClassesAreBadData) {
  try {
    evaluate_alone({{{1, 2}, 2}});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_STREQ(e.what(), "label 2 in the data, but the model has 2 classes");
  }
}

TEST(Evaluate, TellsWhatEachClassIsTakenFor) {
  constexpr std::int64_t kClasses = 4;
  std::vector<Example> examples = random_examples(50, kClasses);
  examples[7].logits[2] = std::nanf("");  // taken for nothing
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> expected;
  for (const Example& example : examples) {
    if (&example == &examples[7]) continue;
    const auto first = std::ranges::max_element(example.logits) - example.logits.begin();
    ++expected[{example.label, first}];
  }
  for (const int ranks : {1, 3}) {
    tests::run_world(ranks, [&](sharding::Communicator& communicator) {
      ClassificationScorer scorer({.lanes = 4, .classes = kClasses});
      const auto scores =
          evaluate(FirstNumbers(kClasses), std::make_shared<Examples>(examples),
                   {4, 5, 1, {kSide, 1.0}, DataType::f32}, scorer, communicator, [] { return false; })
              .value();
      std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> told;
      for (const Confusion& one : scores.confusion) told[{one.label, one.taken_for}] = one.images;
      EXPECT_EQ(told, expected);
      EXPECT_EQ(scores.confusion.size(), expected.size());
      for (std::int64_t k = 0; k < kClasses; ++k) {
        const Accuracy& one = scores.by_class[static_cast<std::size_t>(k)];
        EXPECT_NEAR(one.top1 * static_cast<double>(one.images) / 100, static_cast<double>(told[{k, k}]),
                    1e-9);
      }
    });
  }
}

TEST(Evaluate, OneRanksInterruptionIsEverybodys) {
  const auto dataset = std::make_shared<Examples>(random_examples(50, 4));
  tests::run_world(3, [&](sharding::Communicator& communicator) {
    const FirstNumbers model(4);
    const EvaluationOptions options{4, 5, 1, {kSide, 1.0}, DataType::f32};
    ClassificationScorer scorer({4});
    int asked = 0;
    const auto result = evaluate(model, dataset, options, scorer, communicator,
                                 [&] { return ++asked == 2 && communicator.rank() == 1; });
    EXPECT_FALSE(result);
  });
}

}  // namespace
}  // namespace vitrail::trainer
