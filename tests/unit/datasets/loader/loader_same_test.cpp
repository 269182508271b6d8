// The same batches whatever runs the loader: threads, prefetch depth, ranks, resume; in every order, with
// repeated augmentation, with damaged records.

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/loader/loader.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSamples = 1090, kBatch = 64;
const std::set<std::int64_t> kDamaged = {17, 500};

// Small noise images. Extents count how many of them are in memory. Damaged records fail `patience` times.
class NoiseDataset final : public Dataset {
 public:
  explicit NoiseDataset(std::set<std::int64_t> damaged, std::int64_t patience = 1 << 20)
      : damaged_(std::move(damaged)), patience_(patience) {}

  std::int64_t size() const override { return kSamples; }
  std::int64_t classes() const override { return 7; }
  std::string class_name(std::int64_t) const override { return "any"; }
  std::int64_t label(std::int64_t index) const override { return index % 7; }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "noise"; }

  Sample read(std::int64_t index) const override {
    ++reads;
    return make(index);
  }
  std::unique_ptr<const Extent> read_extent(std::int64_t first, std::int64_t count) const override {
    ++extents;
    return std::make_unique<NoiseExtent>(*this, first, count);
  }

  mutable std::atomic<std::int64_t> reads = 0, extents = 0, held = 0, most_held = 0;
  mutable std::atomic<std::int64_t> failures = 0;

 private:
  struct NoiseExtent final : Extent {
    NoiseExtent(const NoiseDataset& owner, std::int64_t first, std::int64_t count)
        : data(owner), begin(first), size(count) {
      const std::int64_t now = data.held += count;
      for (std::int64_t most = data.most_held; now > most;) data.most_held.compare_exchange_weak(most, now);
    }
    ~NoiseExtent() override { data.held -= size; }
    Sample read(std::int64_t index) const override {
      EXPECT_LE(begin, index);
      EXPECT_LT(index, begin + size);
      return data.make(index);
    }
    const NoiseDataset& data;
    std::int64_t begin, size;
  };

  Sample make(std::int64_t index) const {
    if (damaged_.contains(index) && failures++ < patience_) {
      throw DamagedRecord(Error(ExitCode::bad_data, fmt::format("record {} is damaged", index)));
    }
    if (index % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
    Sample sample;
    sample.image = {9, 11, std::vector<std::uint8_t>(9 * 11 * 3)};
    Philox noise(1, Purpose::test, 0, static_cast<std::uint64_t>(index));
    for (auto& v : sample.image.rgb) v = static_cast<std::uint8_t>(noise.below(256));
    return sample;
  }

  const std::set<std::int64_t> damaged_;
  const std::int64_t patience_;
};

TrainLoaderOptions plan_of(Order order, std::int64_t copies) {
  TrainLoaderOptions plan;
  plan.lanes = {.seed = 5, .lanes = 4, .first_lane = 0, .end_lane = 4};
  plan.data.global_batch_size = kBatch;
  plan.data.order = order;
  plan.data.repeated_augmentation = copies;
  plan.data.extent_images = 20;
  plan.data.window_extents = 3;
  plan.views.front().augment.mixup = 0.8;
  plan.views.front().augment.cutmix = 1.0;
  plan.views.front().image_size = 8;
  return plan;
}

std::string hash_of(const LaneBatch& batch) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(batch.views.front())));
  hasher.update(std::as_bytes(std::span(batch.labels)));
  hasher.update(std::as_bytes(std::span(batch.partner_labels)));
  hasher.update(std::as_bytes(std::span(batch.weights)));
  hasher.update(std::as_bytes(std::span(batch.sample_ids)));
  return hasher.digest().hex();
}

constexpr std::int64_t kSteps = 37;  // two epochs of 17 steps and a bit

// Hashes of [step][lane] of a plan's lanes.
std::vector<std::vector<std::string>> hashes(const TrainLoaderOptions& plan,
                                             const std::set<std::int64_t>& damaged = {}) {
  TrainLoader loader(std::make_shared<NoiseDataset>(damaged), plan);
  std::vector<std::vector<std::string>> out;
  for (std::int64_t step = plan.first_step; step < kSteps; ++step) {
    out.emplace_back();
    for (std::int64_t lane = plan.lanes.first_lane; lane < plan.lanes.end_lane; ++lane) {
      out.back().push_back(hash_of(loader.next()));
    }
  }
  return out;
}

struct Setting {
  Order order;
  std::int64_t copies;
  std::set<std::int64_t> damaged;
};

class SameBatches : public testing::TestWithParam<Setting> {};

TEST_P(SameBatches, ForThreadsAndPrefetchDepths) {
  TrainLoaderOptions plan = plan_of(GetParam().order, GetParam().copies);
  const auto expected = hashes(plan, GetParam().damaged);
  for (const std::int64_t workers : {2, 3, 4, 8, 16}) {
    for (const std::int64_t prefetch : {1, 2, 5}) {
      plan.data.workers = workers;
      plan.data.prefetch_steps = prefetch;
      EXPECT_EQ(hashes(plan, GetParam().damaged), expected) << workers << " threads, " << prefetch;
    }
  }
}

TEST_P(SameBatches, ForRanks) {
  const auto expected = hashes(plan_of(GetParam().order, GetParam().copies), GetParam().damaged);
  for (const std::int64_t ranks : {2, 3, 4}) {
    std::vector<std::vector<std::string>> joined(kSteps);
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      TrainLoaderOptions plan = plan_of(GetParam().order, GetParam().copies);
      plan.data.workers = 3;
      plan.lanes.first_lane = rank * 4 / ranks;
      plan.lanes.end_lane = (rank + 1) * 4 / ranks;
      const auto part = hashes(plan, GetParam().damaged);
      for (std::size_t step = 0; step < part.size(); ++step) {
        joined[step].insert(joined[step].end(), part[step].begin(), part[step].end());
      }
    }
    EXPECT_EQ(joined, expected) << ranks << " ranks";
  }
}

TEST_P(SameBatches, BeforeAndAfterResume) {
  TrainLoaderOptions plan = plan_of(GetParam().order, GetParam().copies);
  const auto all = hashes(plan, GetParam().damaged);
  for (const std::int64_t step : {1, 7, 16, 17, 30}) {
    plan.first_step = step;
    EXPECT_EQ(hashes(plan, GetParam().damaged), std::vector(all.begin() + step, all.end())) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, SameBatches,
                         testing::Values(Setting{Order::shuffled, 1, {}},
                                         Setting{Order::shuffled, 3, kDamaged}, Setting{Order::window, 1, {}},
                                         Setting{Order::window, 1, kDamaged}, Setting{Order::window, 3, {}},
                                         Setting{Order::window, 4, kDamaged},
                                         Setting{Order::sequential, 2, kDamaged}));

// Reads are whole extents, hardly more of them than the epoch has, and few stay in memory.
TEST(WindowReadingTest, ReadsExtentsOnceAndHoldsTwoWindows) {
  for (const std::int64_t copies : {1, 3}) {
    TrainLoaderOptions plan = plan_of(Order::window, copies);
    plan.data.workers = 4;
    const auto dataset = std::make_shared<NoiseDataset>(std::set<std::int64_t>{});
    TrainLoader loader(dataset, plan);
    for (std::int64_t k = 0; k < 4 * 17; ++k) loader.next();
    EXPECT_EQ(dataset->reads, 0);
    // Of 55 extents of 20 images; four streams of five windows cut some of them, and the next epoch has
    // begun.
    const std::int64_t extents = 55 / copies + 4 * (5 / copies + 1) + 4 * 4 * 2;
    EXPECT_LE(dataset->extents, extents) << copies;
    EXPECT_LE(dataset->most_held, 4 * (2 * 60 + 20) + 2 * kBatch) << copies;
  }
}

std::vector<LaneBatch> take(TrainLoader& loader, std::int64_t count) {
  std::vector<LaneBatch> batches;
  for (std::int64_t i = 0; i < count; ++i) batches.push_back(loader.next());
  return batches;
}

TEST(DamageTest, ADamagedRecordIsReplacedAndToldOnce) {
  for (const Order order : {Order::sequential, Order::window}) {
    TrainLoaderOptions plan = plan_of(order, 1);
    const auto dataset = std::make_shared<NoiseDataset>(std::set<std::int64_t>{17});
    TrainLoader loader(dataset, plan);
    TrainLoader healthy(std::make_shared<NoiseDataset>(std::set<std::int64_t>{}), plan);
    const auto batches = take(loader, 4 * kSteps), others = take(healthy, 4 * kSteps);
    int replaced = 0;
    for (std::size_t k = 0; k < batches.size(); ++k) {
      for (std::size_t i = 0; i < 16; ++i) {
        EXPECT_NE(batches[k].sample_ids[i], 17U);
        if (others[k].sample_ids[i] == 17) {
          ++replaced;
          const std::uint64_t epoch = k / (4 * 17);
          EXPECT_EQ(batches[k].sample_ids[i], replacement_of(5, epoch, 17, 1, kSamples));
          EXPECT_EQ(batches[k].labels[i], static_cast<std::int64_t>(batches[k].sample_ids[i] % 7));
        } else {
          EXPECT_EQ(batches[k].sample_ids[i], others[k].sample_ids[i]);
        }
      }
    }
    EXPECT_GE(replaced, 2);
    EXPECT_EQ(dataset->failures, 4);  // read once, and three times again
    EXPECT_TRUE(loader.has_damage_news());
    EXPECT_EQ(loader.take_damage_news(), (DamageLedger{{17, "noise: sample 17: record 17 is damaged"}}));
    EXPECT_FALSE(loader.has_damage_news());
    EXPECT_FALSE(healthy.has_damage_news());
  }
}

TEST(DamageTest, ARecordThatIsGoodAtTheFourthReadIsUsed) {
  const TrainLoaderOptions plan = plan_of(Order::sequential, 1);
  TrainLoader loader(std::make_shared<NoiseDataset>(std::set<std::int64_t>{17}, 3), plan);
  TrainLoader healthy(std::make_shared<NoiseDataset>(std::set<std::int64_t>{}), plan);
  for (int k = 0; k < 4; ++k) EXPECT_EQ(hash_of(loader.next()), hash_of(healthy.next()));
  EXPECT_FALSE(loader.has_damage_news());
}

TEST(DamageTest, WhatTheLedgerKnowsStaysReplaced) {
  TrainLoaderOptions plan = plan_of(Order::window, 1);
  const auto before = hashes(plan, {17, 500});
  plan.damaged = {{17, "as before"}, {500, "as before"}};
  EXPECT_EQ(hashes(plan, {}), before);  // both have become readable
  TrainLoader loader(std::make_shared<NoiseDataset>(std::set<std::int64_t>{}), plan);
  take(loader, 4 * 17);
  EXPECT_FALSE(loader.has_damage_news());
}

// A ledger does not depend on how far ahead the workers are: it has what was handed out.
TEST(DamageTest, NewsComeWithTheirBatch) {
  TrainLoaderOptions plan = plan_of(Order::sequential, 1);
  plan.data.workers = 8;
  plan.data.prefetch_steps = 8;
  TrainLoader loader(std::make_shared<NoiseDataset>(std::set<std::int64_t>{16 * 9 + 2}), plan);
  take(loader, 9);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(loader.has_damage_news());
  loader.next();
  EXPECT_TRUE(loader.has_damage_news());
}

TEST(DamageTest, NothingButDamageEnds) {
  std::set<std::int64_t> all;
  for (std::int64_t i = 0; i < kSamples; ++i) all.insert(i);
  TrainLoader loader(std::make_shared<NoiseDataset>(all), plan_of(Order::shuffled, 1));
  EXPECT_THAT([&] { loader.next(); }, testing::ThrowsMessage<Error>(HasSubstr("is damaged")));
}

TEST(DamageTest, TooMuchDamageIsBadData) {
  EXPECT_NO_THROW(check_damage({{5, "x"}}, 96, "pack"));  // a small set survives one
  EXPECT_THAT(
      [] {
        check_damage({{5, "x"}, {6, "y"}}, 96, "pack");
      },
      testing::ThrowsMessage<Error>(HasSubstr("2 of 96 records are damaged, at most 1")));
  DamageLedger ledger;
  for (std::uint64_t i = 0; i < 1281; ++i) ledger.emplace(i, "x");
  EXPECT_NO_THROW(check_damage(ledger, 1'281'167, "pack"));
  ledger.emplace(2000, "x");
  EXPECT_THROW(check_damage(ledger, 1'281'167, "pack"), Error);
}

TEST(DamageTest, ALedgerSurvivesBeingText) {
  const DamageLedger ledger = {{3, "shard 1: record 2 (a/b c.JPEG): bad\nnews"}, {1 << 30, ""}};
  EXPECT_EQ(parse_damage(to_text(ledger)),
            (DamageLedger{{3, "shard 1: record 2 (a/b c.JPEG): bad news"}, {1 << 30, ""}}));
  EXPECT_TRUE(parse_damage("").empty());
}

TEST(RepeatedAugmentationTest, CopiesAreDrawnApart) {
  TrainLoaderOptions plan = plan_of(Order::shuffled, 3);
  plan.views.front().augment.mixup = plan.views.front().augment.cutmix = 0;
  TrainLoader loader(std::make_shared<NoiseDataset>(std::set<std::int64_t>{}), plan);
  std::map<std::uint64_t, std::set<std::vector<float>>> pixels;
  for (const LaneBatch& batch : take(loader, 4 * 4)) {
    for (std::size_t i = 0; i < 16; ++i) {
      const auto begin = batch.views.front().begin() + static_cast<std::ptrdiff_t>(i * 3 * 64);
      pixels[batch.sample_ids[i]].insert({begin, begin + 3 * 64});
    }
  }
  EXPECT_NEAR(static_cast<double>(pixels.size()), 4 * kBatch / 3.0, 5);
  std::size_t copies = 0;
  for (const auto& [sample, views] : pixels) copies += views.size();
  EXPECT_GE(copies, 4 * kBatch - 3U);  // two draws may agree by chance
}

TEST(RepeatedAugmentationTest, MoreCopiesThanLanesAreRefused) {
  EXPECT_THAT(
      [] {
        TrainLoader(std::make_shared<NoiseDataset>(std::set<std::int64_t>{}), plan_of(Order::shuffled, 5));
      },
      testing::ThrowsMessage<Error>(
          testing::AllOf(HasSubstr("data.repeated_augmentation = 5"), HasSubstr("run.lanes = 4"))));
}

}  // namespace
}  // namespace vitrail::datasets
