#include "trainer/checkpoint/checkpoint_folder.hpp"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"

namespace vitrail::trainer {
namespace {

class CheckpointFolder : public CheckpointTest {
 protected:
  // A folder that looks like a checkpoint from outside.
  fs::path make(const std::string& name) const {
    fs::create_directories(checkpoints_ / name);
    std::ofstream(checkpoints_ / name / "manifest.json") << "{}";
    return checkpoints_ / name;
  }
};

TEST_F(CheckpointFolder, NewestFirstAlsoBeyondEightDigits) {
  EXPECT_EQ(checkpoint_name(12345), "step-00012345");
  EXPECT_EQ(checkpoint_name(123456789), "step-123456789");
  const fs::path middle = make("step-99999999"), oldest = make("step-00000002"),
                 newest = make("step-100000000");
  make("step-00000003.tmp-job1-0");
  make("other");
  point_to(newest, "latest");
  EXPECT_EQ(list_checkpoints(checkpoints_), (std::vector{newest, middle, oldest}));
  EXPECT_TRUE(list_checkpoints(dir_ / "nowhere").empty());
}

// A commit that fails at the link says so each time, and what it had put in place stays.
TEST_F(CheckpointFolder, WhereALinkBelongsAFolderIs) {
  make("latest");
  for (int tries = 0; tries < 3; ++tries) {
    EXPECT_THAT(refusal([&] { save<float>(1, {.step = 4}); }), testing::HasSubstr("latest: it is a folder"));
  }
  CheckpointReader(checkpoints_ / checkpoint_name(4)).verify();
}

TEST_F(CheckpointFolder, FoundFromTheRunItsFolderOrItself) {
  const fs::path older = make("step-00000002"), newest = make("step-00000010");
  point_to(newest, "latest");
  EXPECT_EQ(find_checkpoint(dir_), newest);
  EXPECT_EQ(find_checkpoint(checkpoints_), newest);
  EXPECT_EQ(find_checkpoint(older), older);
  EXPECT_TRUE(fs::equivalent(find_checkpoint(checkpoints_ / "latest"), newest));
  EXPECT_EQ(refusal([&] { find_checkpoint(dir_ / "nowhere"); }),
            fmt::format("2 {}: no checkpoint there", (dir_ / "nowhere").string()));
  try {
    find_checkpoint(older / "manifest.json");
    FAIL() << "a file is no checkpoint";
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), testing::HasSubstr("--model.weights"));
  }
}

TEST_F(CheckpointFolder, LatestMovesAndSurvivesMovingTheRun) {
  const fs::path first = make("step-00000001"), second = make("step-00000002");
  point_to(first, "latest");
  point_to(second, "latest");
  EXPECT_EQ(fs::read_symlink(checkpoints_ / "latest"), "step-00000002");
  EXPECT_FALSE(fs::exists(fs::symlink_status(checkpoints_ / "latest.tmp")));
}

TEST_F(CheckpointFolder, PruningKeepsTheNewest) {
  for (const char* name : {"step-00000001", "step-00000002", "step-00000003", "step-00000004"}) make(name);
  prune_checkpoints(checkpoints_, {.last = 3});
  EXPECT_EQ(list_checkpoints(checkpoints_).size(), 3U);
  EXPECT_FALSE(fs::exists(checkpoints_ / "step-00000001"));
  prune_checkpoints(checkpoints_, {.last = 3});
  EXPECT_EQ(list_checkpoints(checkpoints_).size(), 3U);
}

TEST_F(CheckpointFolder, PruningKeepsMultiplesForGoodAndTheBest) {
  for (int step = 1; step <= 9; ++step) make(checkpoint_name(step));
  point_to(checkpoints_ / "step-00000005", "best");
  prune_checkpoints(checkpoints_, {.last = 2, .every = 3});
  std::vector<std::string> names;
  for (const fs::path& path : list_checkpoints(checkpoints_)) names.push_back(path.filename().string());
  EXPECT_THAT(names, testing::ElementsAre("step-00000009", "step-00000008", "step-00000006", "step-00000005",
                                          "step-00000003"));
}

TEST_F(CheckpointFolder, ADamagedOneIsSetAsideUnderANameThatIsNoCheckpoints) {
  const fs::path good = make("step-00000001"), damaged = make("step-00000002");
  make("step-00000002.damaged");  // of an earlier accident
  set_aside(damaged);
  EXPECT_EQ(list_checkpoints(checkpoints_), std::vector{good});
  EXPECT_TRUE(fs::exists(checkpoints_ / "step-00000002.damaged" / "manifest.json"));
  remove_leftovers(checkpoints_);
  EXPECT_TRUE(fs::exists(checkpoints_ / "step-00000002.damaged")) << "somebody may want to look at it";
}

TEST_F(CheckpointFolder, OnlyLeftoversAreRemoved) {
  const fs::path good = make("step-00000001");
  make("step-00000002.tmp-job1-0");
  make("step-00000001.tmp-delete");
  remove_leftovers(checkpoints_);
  EXPECT_EQ(std::distance(fs::directory_iterator(checkpoints_), fs::directory_iterator()), 1);
  EXPECT_TRUE(fs::exists(good / "manifest.json"));
}

TEST_F(CheckpointFolder, OnlyOurOwnLeftoversAreRemoved) {
  const fs::path ours = make("step-00000003.tmp-job1-0"), deleted = make("step-00000001.tmp-delete");
  const fs::path notes = make("notes.tmp"), draft = make("draft.tmp-1"), model = make("config.tmpl");
  remove_leftovers(checkpoints_);
  for (const fs::path& gone : {ours, deleted}) EXPECT_FALSE(fs::exists(gone)) << gone;
  for (const fs::path& kept : {notes, draft, model}) EXPECT_TRUE(fs::exists(kept)) << kept;
}

// Saved before and after its evaluation, a step's folder is replaced by two renames; a kill may come between
// them.
TEST_F(CheckpointFolder, WhatWasBeingReplacedIsPutBack) {
  const fs::path replaced = make("step-00000003.tmp-replaced"), other = make("step-00000006.tmp-replaced");
  const fs::path whole = make("step-00000006");
  remove_leftovers(checkpoints_);
  EXPECT_EQ(list_checkpoints(checkpoints_), (std::vector{whole, checkpoints_ / "step-00000003"}));
  EXPECT_FALSE(fs::exists(replaced) || fs::exists(other));
}

}  // namespace
}  // namespace vitrail::trainer
