#include "datasets/pack/shard_stage.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "datasets/loader/loader.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack_dataset.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ShardStageTest : public PackTest {
 protected:
  ShardStageTest() {
    pack(options(make_folder("images", 4, 10), "pack", 3000));
    index_.emplace(dir_ / "pack");
  }

  std::uint64_t shards() const { return index_->manifest().shards.size(); }
  fs::path stage_dir() const { return dir_ / "stage"; }
  std::unique_ptr<ShardStage> make_stage() const {
    return std::make_unique<ShardStage>(dir_ / "pack", index_->manifest(), "id", stage_dir());
  }
  static bool wait_for(const std::function<bool()>& condition) {
    for (int i = 0; i < 60'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return condition();
  }
  bool wait_until_whole(const ShardStage& stage) const {
    return wait_for([&] {
      for (std::uint64_t s = 0; s < shards(); ++s) {
        if (!stage.holds(s)) return false;
      }
      return true;
    });
  }
  fs::path copy_of(const ShardStage& stage, std::uint64_t shard) const {
    return stage.folder() / index_->manifest().shards[shard].file.name;
  }
  // Of six steps of two lanes, read from `stage` where that is not empty.
  std::string batches_hash(const std::string& stage, Order order) const {
    TrainLoaderOptions plan;
    plan.lanes = {.seed = 5, .lanes = 2, .first_lane = 0, .end_lane = 2};
    plan.data.global_batch_size = 16;
    plan.data.order = order;
    plan.data.extent_images = 4;
    plan.data.window_extents = 2;
    plan.views.front().image_size = 8;
    TrainLoader loader(open_dataset((dir_ / "pack").string(), {.stage_dir = stage}), plan);
    Hasher hasher;
    for (int k = 0; k < 12; ++k) {
      if (k == 6) std::this_thread::sleep_for(std::chrono::milliseconds(stage.empty() ? 0 : 200));
      const LaneBatch batch = loader.next();
      hasher.update(std::as_bytes(std::span(batch.views.front())));
      hasher.update(std::as_bytes(std::span(batch.sample_ids)));
    }
    return hasher.digest().hex();
  }

  std::optional<PackIndex> index_;
};

TEST_F(ShardStageTest, CopiesEveryShardAndCleansUp) {
  ASSERT_GT(shards(), 5U);
  {
    const auto stage = make_stage();
    ASSERT_TRUE(wait_until_whole(*stage));
    for (std::uint64_t s = 0; s < shards(); ++s) {
      EXPECT_EQ(read_text(copy_of(*stage, s)),
                read_text(dir_ / "pack" / index_->manifest().shards[s].file.name));
    }
  }
  EXPECT_TRUE(fs::is_empty(stage_dir()));
}

TEST_F(ShardStageTest, ANodesRanksShareOneCopy) {
  auto first = make_stage();
  const auto second = make_stage();
  ASSERT_TRUE(wait_until_whole(*first));
  ASSERT_TRUE(wait_until_whole(*second));
  EXPECT_EQ(first->folder(), second->folder());
  first.reset();
  EXPECT_TRUE(fs::exists(copy_of(*second, 0)));
}

TEST_F(ShardStageTest, TheBatchesAreTheSame) {
  for (const Order order : {Order::shuffled, Order::window}) {
    EXPECT_EQ(batches_hash(stage_dir().string(), order), batches_hash("", order));
  }
}

TEST_F(ShardStageTest, WhatAKilledRunLeftIsNotTrusted) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto stage = make_stage();
    while (!wait_until_whole(*stage)) {
    }
    put("staged", "");
    for (;;) ::pause();
  }
  ASSERT_TRUE(wait_for([&] { return fs::exists(dir_ / "staged"); }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto folder = fs::directory_iterator(stage_dir())->path();
  ASSERT_FALSE(fs::is_empty(stage_dir()));
  std::string name;
  for (const auto& entry : fs::recursive_directory_iterator(stage_dir())) {
    if (entry.path().extension() == ".h5") name = entry.path().string();
  }
  ASSERT_FALSE(name.empty());
  const auto size = fs::file_size(name);
  std::ofstream(name) << std::string(size, 'x');  // as after a loss of power

  const auto stage = make_stage();
  ASSERT_TRUE(wait_until_whole(*stage));
  for (std::uint64_t s = 0; s < shards(); ++s) {
    EXPECT_EQ(read_text(copy_of(*stage, s)),
              read_text(dir_ / "pack" / index_->manifest().shards[s].file.name));
  }
}

TEST_F(ShardStageTest, ADamagedCopyIsReadFromThePack) {
  const auto dataset = open_dataset((dir_ / "pack").string(), {.stage_dir = stage_dir().string()});
  const auto healthy = open_dataset((dir_ / "pack").string());
  fs::path folder;
  for (const auto& entry : fs::directory_iterator(stage_dir())) {
    if (entry.is_directory()) folder = entry.path();
  }
  const auto names = [&] {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".h5") found.push_back(entry.path());
    }
    return found;
  };
  ASSERT_TRUE(wait_for([&] { return names().size() == shards(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto copies = names();
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto size = fs::file_size(copies[i]);
    if (i % 3 == 0) std::ofstream(copies[i]) << std::string(size, 'x');
    if (i % 3 == 1) fs::resize_file(copies[i], size / 2);
    if (i % 3 == 2) fs::remove(copies[i]);
  }
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    EXPECT_EQ(dataset->read(i).encoded, healthy->read(i).encoded) << i;
  }
}

TEST_F(ShardStageTest, ADamagedShardIsNotStaged) {
  const fs::path shard = dir_ / "pack" / index_->manifest().shards[1].file.name;
  std::string bytes = read_text(shard);
  bytes[bytes.size() / 2] ^= 1;
  put(shard, bytes);
  const auto stage = make_stage();
  ASSERT_TRUE(wait_for([&] { return stage->holds(0) && stage->holds(2); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(stage->holds(1));
  EXPECT_FALSE(fs::exists(copy_of(*stage, 1)));
}

TEST_F(ShardStageTest, TooLittleSpaceIsRefusedWithBothNumbers) {
  Manifest manifest = index_->manifest();
  manifest.shards[0].file.bytes = std::uint64_t{1} << 60;
  const Error error = error_of([&] { ShardStage(dir_ / "pack", manifest, "id", stage_dir()); });
  EXPECT_EQ(error.code(), ExitCode::refused);
  EXPECT_THAT(error.what(),
              AllOf(HasSubstr("data.stage_dir"), HasSubstr("need 1152921504606"), HasSubstr("MB are free")));
  EXPECT_TRUE(fs::is_empty(stage_dir()));
}

TEST_F(ShardStageTest, AFolderOfAMissingDiskIsRefusedAndNotMade) {
  const Error error =
      error_of([&] { ShardStage(dir_ / "pack", index_->manifest(), "id", dir_ / "missing/stage"); });
  EXPECT_EQ(error.code(), ExitCode::refused);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("data.stage_dir = "),
                                  HasSubstr("there is no folder " + (dir_ / "missing").string())));
  EXPECT_FALSE(fs::exists(dir_ / "missing"));
}

TEST_F(ShardStageTest, OnlyPacksAreStaged) {
  const Error error = error_of([&] { open_dataset("synthetic:9,3,8", {.stage_dir = stage_dir().string()}); });
  EXPECT_EQ(error.code(), ExitCode::refused);
}

}  // namespace
}  // namespace vitrail::datasets
