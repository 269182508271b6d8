#include <gmock/gmock.h>

#include "launcher/doctor/checks/slurm.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

// As Slurm 22.05 prints them.
constexpr const char* kConfig =
    "Configuration data as of 2026-11-29T10:00:00\n"
    "AuthInfo                = socket=/run/munge.sock,cred_expire=5\n"
    "JobRequeue              = 1\n"
    "KillWait                = 30 sec\n"
    "PreemptMode             = REQUEUE\n"
    "SLURM_VERSION           = 22.05.8\n"
    "UnkillableStepTimeout   = 60 sec\n"
    "\nSlurmctld(primary) at control is UP\n";
constexpr const char* kPartition = "PartitionName=gpu AllowGroups=ALL GraceTime=20 State=UP\n";
constexpr const char* kJob =
    "JobId=7 JobName=vit UserId=me(1) Requeue=1 Restarts=0 TimeLimit=1-00:00:00 Partition=gpu\n";

SlurmFacts told_by_slurm(const std::string& from = "", const std::string& to = "") {
  std::string text = kConfig;
  if (!from.empty()) text.replace(text.find(from), from.size(), to);
  return slurm_facts(parse_slurm_config(text), parse_slurm_record(kPartition), parse_slurm_record(kJob));
}

Finding of_slurm(const SlurmFacts& of, const std::string& check, const JobTimes& times = {}) {
  for (const Finding& finding : check_slurm(of, times)) {
    if (finding.check == check) return finding;
  }
  ADD_FAILURE() << "no " << check;
  return {};
}

TEST(SlurmFacts, WhatScontrolPrints) {
  const SlurmFacts found = told_by_slurm();
  EXPECT_TRUE(found.answers);
  EXPECT_EQ(found.version, "22.05.8");
  EXPECT_EQ(found.kill_wait_s, 30);
  EXPECT_EQ(found.unkillable_s, 60);
  EXPECT_EQ(found.credentials_s, 5);
  EXPECT_EQ(found.job_requeue, true);
  EXPECT_EQ(found.grace_s, 20);
  EXPECT_EQ(found.time_limit_s, 86400);
  EXPECT_EQ(found.requeue, true);
  EXPECT_EQ(told_by_slurm(",cred_expire=5", "").credentials_s, 120);
  EXPECT_FALSE(slurm_facts({}, {}, {}).answers);
  EXPECT_EQ(slurm_seconds("UNLIMITED"), std::nullopt);
  EXPECT_EQ(sbatch_seconds("90"), 5400);
  EXPECT_EQ(sbatch_seconds("1:30:00"), 5400);
  EXPECT_EQ(sbatch_seconds("soon"), std::nullopt);
}

TEST(SlurmChecks, NothingIsWrong) {
  for (const Finding& finding :
       check_slurm(told_by_slurm(), {.warning = 180, .stop_before = 60, .every = 600, .save = 4}))
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.figure;
}

TEST(SlurmChecks, NobodyAnswers) {
  const Findings none = check_slurm({}, {});
  ASSERT_EQ(none.size(), 1);
  EXPECT_EQ(none.front().verdict, Verdict::unknown);
  EXPECT_EQ(check_slurm({}, {.limit = 60, .warning = 180}).back().verdict, Verdict::failed);
}

TEST(SlurmChecks, TimeLimitAgainstWarningAndCheckpoints) {
  SlurmFacts of = told_by_slurm();
  of.time_limit_s = 210;
  const JobTimes times{.warning = 180, .stop_before = 60, .every = 600};
  EXPECT_EQ(check_time_limit(of, times).verdict, Verdict::failed);
  EXPECT_THAT(check_time_limit(of, times).remedy, HasSubstr("sbatch --time=8 or more"));
  of.time_limit_s = 211;
  EXPECT_EQ(check_time_limit(of, times).verdict,
            Verdict::warning);  // the next checkpoint comes after the end
  of.time_limit_s = 3600;
  EXPECT_EQ(check_time_limit(of, times).verdict, Verdict::ok);
  EXPECT_EQ(check_time_limit(of, {}).verdict, Verdict::warning);  // nobody warns
  EXPECT_EQ(check_time_limit(of, {.stop_before = 60}).verdict, Verdict::ok);
  of.time_limit_s.reset();
  EXPECT_EQ(check_time_limit(of, {}).verdict, Verdict::unknown);
  EXPECT_EQ(check_time_limit(of, {.limit = 100, .warning = 180}).verdict, Verdict::failed);
}

TEST(SlurmChecks, SitesThatEndJobsEarly) {
  const JobTimes slow{.every = 600, .save = 40};
  EXPECT_EQ(of_slurm(told_by_slurm(), "KillWait", slow).verdict, Verdict::warning);
  EXPECT_EQ(of_slurm(told_by_slurm(), "KillWait", {.warning = 180, .save = 40}).verdict, Verdict::ok);
  EXPECT_EQ(of_slurm(told_by_slurm(), "preemption", slow).verdict, Verdict::warning);
  EXPECT_THAT(of_slurm(told_by_slurm(), "preemption", slow).remedy,
              HasSubstr("checkpoint.every, now 10 min"));
  EXPECT_EQ(of_slurm(told_by_slurm("REQUEUE", "OFF"), "preemption", slow).verdict, Verdict::ok);
}

TEST(SlurmChecks, SitesThatDoNotBringJobsBack) {
  SlurmFacts of = told_by_slurm();
  of.requeue = false;
  EXPECT_EQ(of_slurm(of, "requeue").verdict, Verdict::warning);
  of.requeue.reset();
  EXPECT_EQ(of_slurm(of, "requeue").verdict, Verdict::ok);
  of.job_requeue = false;
  EXPECT_EQ(of_slurm(of, "requeue").verdict, Verdict::warning);
  EXPECT_EQ(of_slurm(told_by_slurm("= 60 sec", "= 20 sec"), "UnkillableStepTimeout").verdict,
            Verdict::warning);
  EXPECT_EQ(of_slurm(told_by_slurm("cred_expire=5", "cred_expire=1800"), "credentials").verdict,
            Verdict::warning);
}

}  // namespace
}  // namespace vitrail::launcher
