#include <fstream>

#include <gmock/gmock.h>

#include "launcher/doctor/checks/storage.hpp"
#include "sharding/comm/local_communicator.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

constexpr CheckpointNeed kNeed{1'000'000'000, 3, 0};

StorageFacts good_storage() {
  StorageFacts facts;
  facts.folder = "/scratch";
  facts.kind = "lustre";
  facts.free_bytes = 10'000'000'000;
  facts.free_files = 1000;
  facts.reserved = StorageFacts::Reserved::yes;
  facts.ranks = {{"n0", "", true, true, 0.002, 1e9}, {"n1", "", true, true, 0.003, 1e9}};
  return facts;
}

Finding of_storage(const StorageFacts& facts, const std::string& check,
                   const std::optional<CheckpointNeed>& need = kNeed, std::optional<double> every_s = 600) {
  for (const Finding& finding : check_storage(facts, need, every_s)) {
    if (finding.check == check) return finding;
  }
  ADD_FAILURE() << "no " << check;
  return {};
}

TEST(StorageChecks, NothingIsWrong) {
  for (const Finding& finding : check_storage(good_storage(), kNeed, 600))
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.figure;
  EXPECT_EQ(of_storage(good_storage(), "room").figure, "10.0 GB free; 3 checkpoints of 1.0 GB take 3.0 GB");
  EXPECT_EQ(
      of_storage(good_storage(), "write rate").figure,
      "2.0 GB/s of all ranks together; a checkpoint of 1.0 GB takes 500 ms, and one is due every 10 min");
}

TEST(StorageChecks, RanksThatDoNotShareIt) {
  StorageFacts facts = good_storage();
  facts.ranks[1].sees = false;
  EXPECT_EQ(of_storage(facts, "seen by all").verdict, Verdict::failed);
  EXPECT_THAT(of_storage(facts, "seen by all").figure, HasSubstr("n1 did not see what n0 made in /scratch"));
  facts = good_storage();
  facts.ranks[1].exclusive = false;
  EXPECT_THAT(of_storage(facts, "seen by all").figure, HasSubstr("once more on n1 (O_EXCL)"));
  facts.ranks[1].refused = "cannot create x: Permission denied";
  const Findings findings = check_storage(facts, kNeed, {});
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings.front().verdict, Verdict::failed);
  EXPECT_EQ(findings.front().figure, "n1: cannot create x: Permission denied");
}

TEST(StorageChecks, WhereItLies) {
  StorageFacts facts = good_storage();
  facts.kind = "tmpfs";
  EXPECT_EQ(of_storage(facts, "file system").verdict, Verdict::warning);
  facts.kind = "overlay";
  EXPECT_THAT(of_storage(facts, "file system").remedy, HasSubstr("container"));
}

TEST(StorageChecks, Slow) {
  StorageFacts facts = good_storage();
  facts.ranks[1].rename_s = 2;
  EXPECT_EQ(of_storage(facts, "rename and fsync").verdict, Verdict::warning);
  EXPECT_EQ(of_storage(facts, "write rate", kNeed, 0.9).verdict, Verdict::warning);
  EXPECT_EQ(of_storage(facts, "write rate", kNeed, 1.1).verdict, Verdict::ok);
}

TEST(StorageChecks, Room) {
  StorageFacts facts = good_storage();
  facts.free_bytes = 2'500'000'000;
  EXPECT_EQ(of_storage(facts, "room").verdict, Verdict::warning);
  EXPECT_EQ(of_storage(facts, "room", CheckpointNeed{1'000'000'000, 3, 600'000'000}).verdict, Verdict::ok);
  facts.free_bytes = 500'000'000;
  EXPECT_EQ(of_storage(facts, "room").verdict, Verdict::failed);
  EXPECT_EQ(of_storage(facts, "room", std::nullopt).verdict, Verdict::ok);
  facts.free_files = 20;  // 16 and 3 checkpoints of two ranks
  EXPECT_EQ(of_storage(facts, "inodes").verdict, Verdict::failed);
  facts.free_files.reset();
  EXPECT_EQ(of_storage(facts, "inodes").verdict, Verdict::unknown);
}

TEST(StorageChecks, Quota) {
  StorageFacts facts = good_storage();
  facts.reserved = StorageFacts::Reserved::refused;
  facts.why_not = "Disk quota exceeded";
  EXPECT_EQ(of_storage(facts, "quota").verdict, Verdict::failed);
  EXPECT_EQ(of_storage(facts, "quota").figure, "3.0 GB cannot be reserved: Disk quota exceeded");
  facts.reserved = StorageFacts::Reserved::not_offered;
  EXPECT_EQ(of_storage(facts, "quota").verdict, Verdict::unknown);
}

TEST(StorageChecks, WhatMayPassIsToldFromWhatStays) {
  StorageFacts facts = good_storage();
  facts.reserved = StorageFacts::Reserved::refused;
  EXPECT_EQ(status_of(check_storage(facts, kNeed, {})), ExitCode::refused);
  facts.may_pass = true;
  EXPECT_EQ(status_of(check_storage(facts, kNeed, {})), ExitCode::io);
  facts.ranks[0].refused = "cannot create x: Input/output error";
  EXPECT_EQ(status_of(check_storage(facts, kNeed, {})), ExitCode::io);
  Findings findings = check_storage(facts, kNeed, {});
  findings.push_back({"run", "settings", Verdict::failed, "bad", "mend"});
  EXPECT_EQ(status_of(findings), ExitCode::refused) << "another try would end there again";
  EXPECT_EQ(status_of(check_storage(good_storage(), kNeed, 600)), ExitCode::done);
}

TEST(StorageFacts, FileSystemOfTheLongestMount) {
  const std::string mounts =
      "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
      "30 22 0:25 / /dev/shm rw shared:3 - tmpfs tmpfs rw\n"
      "31 22 0:44 / /scratch rw master:1 - lustre mds@tcp:/s rw\n"
      "32 31 0:45 / /scratch/a\n";
  EXPECT_EQ(file_system_of(mounts, "/var/spool"), "ext4");
  EXPECT_EQ(file_system_of(mounts, "/dev/shm"), "tmpfs");
  EXPECT_EQ(file_system_of(mounts, "/scratch/a/run"), "lustre");
  EXPECT_EQ(file_system_of(mounts, "/scratchy"), "ext4");
  EXPECT_EQ(file_system_of("", "/"), "");
}

TEST(StorageFacts, NothingIsLeftBehind) {
  sharding::LocalCommunicator alone;
  const std::filesystem::path parent = std::filesystem::path(::testing::TempDir()) / "vitrail_storage_facts";
  std::filesystem::create_directories(parent);
  const StorageFacts facts = try_storage(alone, "n0", parent / "runs" / "one", CheckpointNeed{1 << 20, 3, 0});
  EXPECT_EQ(facts.folder, parent.string());
  EXPECT_EQ(facts.ranks.front().refused, "");
  EXPECT_TRUE(facts.ranks.front().sees && facts.ranks.front().exclusive);
  EXPECT_GT(facts.ranks.front().write_bytes_per_s, 0);
  EXPECT_GT(facts.free_bytes, 0);
  EXPECT_TRUE(std::filesystem::is_empty(parent));
  std::filesystem::remove(parent);
}

}  // namespace
}  // namespace vitrail::launcher
