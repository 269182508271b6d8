#include "datasets/loader/loader.hpp"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/augment/transform.hpp"
#include "datasets/loader/sampler.hpp"
#include "datasets/pixels/normalise.hpp"
#include "datasets/synthetic_dataset.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Small images of two sizes, read with uneven delays so that workers overtake one another; may fail at one
// sample.
class UnevenDataset final : public Dataset {
 public:
  explicit UnevenDataset(std::int64_t samples, std::int64_t bad_sample = -1)
      : samples_(samples), bad_sample_(bad_sample) {}

  std::int64_t size() const override { return samples_; }
  std::int64_t classes() const override { return 7; }
  std::string class_name(std::int64_t) const override { return "any"; }
  std::int64_t label(std::int64_t index) const override { return index % 7; }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "uneven set"; }
  std::int64_t reads() const { return reads_; }

  Sample read(std::int64_t index) const override {
    ++reads_;
    if (index == bad_sample_) throw Error(ExitCode::bad_data, "cannot be decoded", "look at it");
    std::this_thread::sleep_for(std::chrono::microseconds(index * 37 % 5 * 40));
    Sample sample;
    sample.image = {12 + static_cast<int>(index % 2) * 5, 11, {}};
    Philox noise(1, Purpose::test, 0, static_cast<std::uint64_t>(index));
    sample.image.rgb.resize(static_cast<std::size_t>(sample.image.width) * 11 * 3);
    for (auto& v : sample.image.rgb) v = static_cast<std::uint8_t>(noise.below(256));
    return sample;
  }

 private:
  std::int64_t samples_, bad_sample_;
  mutable std::atomic<std::int64_t> reads_ = 0;
};

TrainLoaderOptions plan_of(std::int64_t lanes, std::int64_t workers = 2, std::int64_t prefetch_steps = 2) {
  TrainLoaderOptions plan;
  plan.lanes = {.seed = 5, .lanes = lanes, .first_lane = 0, .end_lane = lanes};
  plan.data.global_batch_size = 16;
  plan.data.workers = workers;
  plan.data.prefetch_steps = prefetch_steps;
  plan.views.front().augment.mixup = 0.8;
  plan.views.front().augment.cutmix = 1.0;
  plan.views.front().image_size = 8;
  return plan;
}

std::vector<LaneBatch> take(TrainLoader& loader, std::size_t count) {
  std::vector<LaneBatch> out;
  while (out.size() < count) out.push_back(loader.next());
  return out;
}

std::vector<LaneBatch> take(const TrainLoaderOptions& plan, std::size_t count) {
  TrainLoader loader(std::make_shared<UnevenDataset>(70), plan);
  return take(loader, count);
}

void expect_equal(const std::vector<LaneBatch>& a, const std::vector<LaneBatch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].lane, b[i].lane) << i;
    EXPECT_EQ(a[i].sample_ids, b[i].sample_ids) << i;
    EXPECT_EQ(a[i].views, b[i].views) << i;
    EXPECT_EQ(a[i].labels, b[i].labels) << i;
    EXPECT_EQ(a[i].partner_labels, b[i].partner_labels) << i;
    EXPECT_EQ(a[i].weights, b[i].weights) << i;
  }
}

TEST(LoaderTest, ThreadsAndPrefetchChangeNothing) {
  const auto expected = take(plan_of(4, 1, 1), 40);  // 10 steps of 4 lanes, over epochs of 4 steps
  for (const std::int64_t workers : {1, 2, 3, 4}) {
    for (const std::int64_t prefetch : {1, 2, 5})
      expect_equal(take(plan_of(4, workers, prefetch), 40), expected);
  }
}

TEST(LoaderTest, LanesOfAllRanksAreThoseOfOne) {
  const auto expected = take(plan_of(4), 24);
  for (const std::int64_t ranks : {2, 3, 4}) {
    std::vector<LaneBatch> joined(24);
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      TrainLoaderOptions plan = plan_of(4);
      plan.lanes.first_lane = rank * 4 / ranks;
      plan.lanes.end_lane = (rank + 1) * 4 / ranks;
      TrainLoader loader(std::make_shared<UnevenDataset>(70), plan);
      for (std::size_t step = 0; step < 6; ++step) {
        for (std::int64_t lane = plan.lanes.first_lane; lane < plan.lanes.end_lane; ++lane) {
          joined[step * 4 + static_cast<std::size_t>(lane)] = loader.next();
        }
      }
    }
    expect_equal(joined, expected);
  }
}

TEST(LoaderTest, BeginningAtAnyStepIsContinuing) {
  const auto all = take(plan_of(2), 22);
  for (const std::int64_t step : {1, 3, 4, 9}) {
    TrainLoaderOptions plan = plan_of(2);
    plan.first_step = step;
    const std::vector<LaneBatch> rest(all.begin() + 2 * step, all.end());
    expect_equal(take(plan, rest.size()), rest);
  }
}

TEST(LoaderTest, AnEpochShowsEachSampleAtMostOnce) {
  std::multiset<std::uint64_t> ids;
  for (const LaneBatch& batch : take(plan_of(2), 8))
    ids.insert(batch.sample_ids.begin(), batch.sample_ids.end());
  EXPECT_EQ(ids.size(), 64U);  // 70 samples, batches of 16: 6 are dropped
  EXPECT_EQ(std::set<std::uint64_t>(ids.begin(), ids.end()).size(), 64U);
  EXPECT_LT(*ids.rbegin(), 70U);
}

// What a batch holds, put together by hand from the parts tested elsewhere.
TEST(LoaderTest, ImagesAreThoseOfTheDrawnParameters) {
  TrainLoaderOptions plan = plan_of(2);
  plan.views.front().augment.mixup = plan.views.front().augment.cutmix = 0;
  plan.first_step = 5;  // epoch 1
  const UnevenDataset dataset(70);
  const LaneBatch batch = take(plan, 2).at(1);
  EXPECT_EQ(batch.lane, 1);
  ASSERT_EQ(batch.images_count, 8);
  const EpochOrder order(Order::shuffled, 5, 1, 70);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t id = order.sample_at(16 + 8 + i);
    EXPECT_EQ(batch.sample_ids[i], id);
    EXPECT_EQ(batch.labels[i], dataset.label(static_cast<std::int64_t>(id)));
    EXPECT_EQ(batch.partner_labels[i], batch.labels[i]);
    EXPECT_EQ(batch.weights[i], 1.0);
    const Image image = dataset.read(static_cast<std::int64_t>(id)).image;
    const SampleKey key{.seed = 5, .epoch = 1, .sample = id};
    std::vector<float> expected(3 * 8 * 8);
    Normaliser(kImageNet).apply(
        resize(image, draw_augmentation(plan.views.front().augment, key, image.width, image.height, 8).view),
        expected);
    const auto begin = batch.views.front().begin() + static_cast<std::ptrdiff_t>(i * expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), begin)) << i;
  }
}

TEST(LoaderTest, NoMoreIsReadThanThePrefetchAllows) {
  const auto dataset = std::make_shared<UnevenDataset>(1000);
  TrainLoader loader(dataset, plan_of(2, 4, 3));
  loader.next();
  constexpr std::int64_t kAllowed =
      (3 * 2 + 1) * 8;  // three steps of two lanes ahead of the batch handed out
  for (int i = 0; i < 60'000 && dataset->reads() < kAllowed; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(dataset->reads(), kAllowed);
}

TEST(LoaderTest, AnErrorComesWithItsBatchAndNamesTheSample) {
  TrainLoaderOptions plan = plan_of(2, 3, 4);
  plan.data.order = Order::sequential;
  TrainLoader loader(std::make_shared<UnevenDataset>(70, 29), plan);  // step 1, lane 1
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(loader.next()) << i;
  for (int again = 0; again < 2; ++again) {
    try {
      loader.next();
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      EXPECT_STREQ(error.what(), "uneven set: sample 29: cannot be decoded");
      EXPECT_EQ(error.hint(), "look at it");
    }
  }
}

TEST(LoaderTest, DestructionInTheMiddleJoinsAtOnce) {
  for (int taken = 0; taken < 3; ++taken) {
    TrainLoader loader(std::make_shared<UnevenDataset>(70), plan_of(4, 4, 3));
    take(loader, static_cast<std::size_t>(taken));
    EXPECT_GE(loader.stats().seconds_waited, 0.0);
  }
}

void expect_refused(const TrainLoaderOptions& plan, const std::string& first,
                    const std::string& second = "") {
  try {
    TrainLoader loader(std::make_shared<UnevenDataset>(70), plan);
    FAIL() << first;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(first), HasSubstr(second)));
  }
}

TEST(LoaderTest, PlansThatCannotBeHonouredAreRefusedByName) {
  TrainLoaderOptions plan = plan_of(32);
  expect_refused(plan, "data.global_batch_size", "run.lanes");
  plan = plan_of(16);  // one image a lane has no partner
  expect_refused(plan, "data.global_batch_size", "run.lanes");
  plan = plan_of(4);
  plan.data.global_batch_size = 72;
  expect_refused(plan, "data.global_batch_size");
  plan = plan_of(4, 0);
  expect_refused(plan, "data.workers");
  plan = plan_of(4, 1, 0);
  expect_refused(plan, "data.prefetch_steps");
  plan = plan_of(4);
  plan.lanes.end_lane = 5;
  expect_refused(plan, "run.lanes");
}

// Several views of a sample: each drawn by itself and of its own size, the first as if it were alone.
TEST(LoaderTest, FurtherViewsAreDrawnByThemselvesAndLeaveTheFirstAsItIs) {
  TrainLoaderOptions one = plan_of(2);
  one.views.front().augment.mixup = one.views.front().augment.cutmix = 0;
  TrainLoaderOptions plan = one;
  plan.views.resize(3, plan.views.front());
  plan.views[2].image_size = 5;
  plan.data.workers = 3;
  const UnevenDataset dataset(70);
  const std::vector<LaneBatch> alone = take(one, 10), together = take(plan, 10);
  for (std::size_t k = 0; k < alone.size(); ++k) {
    const LaneBatch& batch = together[k];
    ASSERT_EQ(batch.views.size(), 3U);
    EXPECT_EQ(batch.views[0], alone[k].views[0]) << k;
    EXPECT_FALSE(batch.views[1] == batch.views[0]) << k;
    const std::uint64_t epoch = k / 8;  // 4 steps of 2 lanes
    for (std::uint32_t view = 0; view < 3; ++view) {
      const std::int64_t size = plan.views[view].image_size;
      std::vector<float> expected(static_cast<std::size_t>(3 * size * size));
      for (std::size_t i = 0; i < batch.sample_ids.size(); ++i) {
        const std::uint64_t id = batch.sample_ids[i];
        Transformer().train(dataset.read(static_cast<std::int64_t>(id)), plan.views[view].augment,
                            {plan.lanes.seed, epoch, id, 0, view}, static_cast<int>(size),
                            Normaliser(kImageNet), expected);
        const auto begin = batch.views[view].begin() + static_cast<std::ptrdiff_t>(i * expected.size());
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), begin)) << k << " " << view << " " << i;
      }
    }
  }
}

TEST(LoaderTest, SeveralViewsAreNotMixed) {
  TrainLoaderOptions plan = plan_of(2);
  plan.views.resize(2, plan.views.front());
  expect_refused(plan, "augment.mixup and augment.cutmix");
}

TEST(EvaluationLoaderTest, EveryImageOnceInItsLaneForAnyBatch) {
  for (const std::int64_t images : {1, 3, 37, 64}) {
    const auto dataset = std::make_shared<UnevenDataset>(images);
    for (const std::int64_t lanes : {1, 2, 4}) {
      for (const std::int64_t batch_size : {1, 5, 16, 100}) {
        EvaluationLoader loader(dataset, {.seed = 0, .lanes = lanes, .first_lane = 0, .end_lane = lanes},
                                {.image_size = 8, .crop_ratio = 1.0}, batch_size, 2);
        std::vector<std::int64_t> seen;
        EvaluationBatch batch;
        while (loader.next(batch)) {
          ASSERT_LE(batch.images_count, batch_size);
          ASSERT_EQ(batch.images.size(), static_cast<std::size_t>(batch.images_count * 3 * 8 * 8));
          for (std::size_t i = 0; i < batch.indices.size(); ++i) {
            EXPECT_EQ(batch.indices[i] % lanes, batch.lane);
            EXPECT_EQ(batch.labels[i], dataset->label(batch.indices[i]));
          }
          seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
        }
        EXPECT_FALSE(loader.next(batch));
        EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), [&](std::int64_t a, std::int64_t b) {
          return std::pair(a % lanes, a) < std::pair(b % lanes, b);
        }));
        EXPECT_EQ(std::set<std::int64_t>(seen.begin(), seen.end()).size(), static_cast<std::size_t>(images));
        EXPECT_EQ(seen.size(), static_cast<std::size_t>(images));
      }
    }
  }
}

TEST(EvaluationLoaderTest, ARankSeesItsLanesAlone) {
  const auto dataset = std::make_shared<UnevenDataset>(10);
  EvaluationLoader loader(dataset, {.seed = 0, .lanes = 4, .first_lane = 1, .end_lane = 3},
                          {.image_size = 8, .crop_ratio = 0.8}, 2, 3);
  std::vector<std::vector<std::int64_t>> parts;
  EvaluationBatch batch;
  while (loader.next(batch)) {
    parts.push_back(batch.indices);
    std::vector<float> expected(3 * 8 * 8);
    Transformer().evaluate(dataset->read(batch.indices[0]), {.image_size = 8, .crop_ratio = 0.8},
                           Normaliser(kImageNet), expected);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), batch.images.begin()));
  }
  EXPECT_EQ(parts, (std::vector<std::vector<std::int64_t>>{{1, 5}, {9}, {2, 6}}));
}

TEST(EvaluationLoaderTest, RanksThatShareALaneTakeItsBatchesInTurn) {
  const auto dataset = std::make_shared<UnevenDataset>(20);
  const EvaluationTransform transform{.image_size = 8, .crop_ratio = 1.0};
  const std::vector<std::vector<std::vector<std::int64_t>>> expected = {
      {{0, 1, 2, 3, 4, 5, 6, 7}}, {{8, 9, 10, 11, 12, 13, 14, 15}}, {{16, 17, 18, 19}}, {}};
  for (std::int64_t rank = 0; rank < 4; ++rank) {
    EvaluationLoader loader(dataset, {}, transform, 8, 2, ordinary_memory, OnDamage::fail, {rank, 4});
    std::vector<std::vector<std::int64_t>> found;
    for (EvaluationBatch batch; loader.next(batch);) found.push_back(batch.indices);
    EXPECT_EQ(found, expected[static_cast<std::size_t>(rank)]) << rank;
  }
}

TEST(EvaluationLoaderTest, AnErrorNamesTheSample) {
  EvaluationLoader loader(std::make_shared<UnevenDataset>(20, 12), {}, {.image_size = 8, .crop_ratio = 1.0},
                          8, 2);
  EvaluationBatch batch;
  EXPECT_TRUE(loader.next(batch));
  EXPECT_THAT([&] { loader.next(batch); }, testing::ThrowsMessage<Error>(HasSubstr("uneven set: sample 12")));
}

TEST(EvaluationLoaderTest, ReportedDamageLeavesTheOthersAsTheyAre) {
  const EvaluationTransform transform{.image_size = 8, .crop_ratio = 1.0};
  const auto whole = std::make_shared<UnevenDataset>(20), damaged = std::make_shared<UnevenDataset>(20, 12);
  EvaluationLoader good(whole, {}, transform, 8, 2),
      bad(damaged, {}, transform, 8, 3, ordinary_memory, OnDamage::report);
  EvaluationBatch expected, found;
  for (std::int64_t first = 0; first < 20; first += 8) {
    ASSERT_TRUE(good.next(expected));
    ASSERT_TRUE(bad.next(found));
    EXPECT_EQ(found.indices, expected.indices);
    EXPECT_EQ(found.damaged.size(), first == 8 ? 1U : 0U);
    if (first == 8) {
      EXPECT_THAT(found.damaged.at(12), HasSubstr("uneven set: sample 12: cannot be decoded"));
      std::fill_n(expected.images.begin() + 4 * 3 * 8 * 8, 3 * 8 * 8, 0.0F);
    }
    EXPECT_TRUE(std::equal(found.images.begin(), found.images.end(), expected.images.begin()));
  }
  EXPECT_FALSE(bad.next(found));
}

}  // namespace
}  // namespace vitrail::datasets
