#include "trainer/base/processors.hpp"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>

namespace vitrail {
namespace {

namespace fs = std::filesystem;

// A machine's files about cgroups, as the kernel writes them.
class Cgroups : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(root_); }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  CgroupLimits limits(const std::string& membership) const {
    write("self", membership);
    return cgroup_limits(root_ / "self", root_ / "fs");
  }

 private:
  const fs::path root_ = fs::path(testing::TempDir()) / "vitrail-cgroups";
};

TEST_F(Cgroups, Version2) {
  write("fs/user/job/cpu.max", "250000 100000\n");
  write("fs/user/job/cpuset.cpus.effective", "0-3,8\n");
  const CgroupLimits found = limits("0::/user/job\n");
  EXPECT_EQ(found.quota, 2.5);
  EXPECT_EQ(found.cpuset, 5);
}

TEST_F(Cgroups, TheLeastQuotaOnTheWayUpCounts) {
  write("fs/a/b/c/cpu.max", "max 100000\n");
  write("fs/a/b/cpu.max", "300000 100000\n");
  write("fs/a/cpu.max", "400000 100000\n");
  write("fs/a/cpuset.cpus.effective", "0-15\n");
  EXPECT_EQ(limits("0::/a/b/c\n").quota, 3);
  EXPECT_EQ(limits("0::/a/b/c\n").cpuset, 16) << "the next one that tells";
  EXPECT_EQ(limits("0::/a\n").quota, 4);
}

TEST_F(Cgroups, Version1) {
  write("fs/cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
  write("fs/cpu,cpuacct/job/cpu.cfs_period_us", "50000\n");
  write("fs/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("fs/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("fs/cpuset/cpuset.effective_cpus", "4-7\n");
  const CgroupLimits found = limits("5:cpuset:/\n4:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n");
  EXPECT_EQ(found.quota, 3);
  EXPECT_EQ(found.cpuset, 4);
}

TEST_F(Cgroups, InsideAContainerThePathMayBeTheHosts) {
  write("fs/cpu/cpu.cfs_quota_us", "200000\n");
  write("fs/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limits("4:cpu:/docker/0a1b\n").quota, 2);
}

TEST_F(Cgroups, NothingIsNoLimit) {
  EXPECT_FALSE(limits("").quota);
  write("fs/cpu.max", "max 100000\n");
  EXPECT_FALSE(limits("0::/\n").quota);
  EXPECT_FALSE(limits("0::/\n").cpuset);
  write("fs/cpu.max", "nonsense\n");
  EXPECT_FALSE(limits("no colons\n0::/\n").quota);
}

TEST(ProcessorsTest, Lists) {
  EXPECT_EQ(count_in_list("0"), 1);
  EXPECT_EQ(count_in_list("0-3,8,10-11"), 7);
  for (const char* bad : {"", "x", "3-1", "1-", "0-99999999"}) EXPECT_EQ(count_in_list(bad), 0) << bad;
}

TEST(ProcessorsTest, WholeOnesByMaskAndQuota) {
  EXPECT_EQ((Processors{8, 8, {}, ""}.count()), 8);
  EXPECT_EQ((Processors{8, 64, {}, ""}.count()), 8);
  EXPECT_EQ((Processors{8, 8, 2.5, ""}.count()), 2);
  EXPECT_EQ((Processors{8, 8, 0.5, ""}.count()), 1);
  EXPECT_EQ((Processors{2, 8, 6, ""}.count()), 2);
  EXPECT_TRUE((Processors{8, 8, {}, ""}.may_be_bound()));
  EXPECT_TRUE((Processors{8, 8, 8, ""}.may_be_bound()));
  EXPECT_FALSE((Processors{8, 64, {}, ""}.may_be_bound()));
  EXPECT_FALSE((Processors{8, 8, 2, ""}.may_be_bound()));
}

TEST(ProcessorsTest, TheMaskOfTheCallingThreadCounts) {
  const Processors whole = processors();
  EXPECT_EQ(count_in_list(whole.mask), whole.masked);
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(std::stoi(whole.mask), &one);  // its first
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(available_processors(), 1);
    EXPECT_EQ(processors().mask, std::to_string(std::stoi(whole.mask)));
    EXPECT_EQ(processors().offered, whole.offered);
  }).join();
}

}  // namespace
}  // namespace vitrail
