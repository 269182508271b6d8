#include <gmock/gmock.h>

#include "launcher/doctor/checks/gpus.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

std::vector<GpusOfRank> gpus_of_two_nodes() {
  GpuFacts gpu{"NVIDIA H100 80GB HBM3", "GPU-1", 0, true, 0, 1, 80, {}};
  std::vector<GpusOfRank> ranks;
  for (const char* host : {"n0", "n0", "n1", "n1"}) ranks.push_back({host, true, "580.65.06", {gpu, gpu}});
  return ranks;
}

Finding of_gpus(const Findings& findings, const std::string& check) {
  for (const Finding& finding : findings) {
    if (finding.check == check) return finding;
  }
  ADD_FAILURE() << "no " << check;
  return {};
}

Findings checked(const std::vector<GpusOfRank>& ranks) { return check_gpus(ranks, {}, false, true); }

TEST(GpuChecks, NothingIsWrong) {
  const Findings findings = checked(gpus_of_two_nodes());
  EXPECT_EQ(findings.size(), 5);
  for (const Finding& finding : findings) EXPECT_EQ(finding.verdict, Verdict::ok) << finding.figure;
  EXPECT_EQ(findings.front().figure, "4 x NVIDIA H100 80GB HBM3 on 2 nodes");
}

TEST(GpuChecks, NoneAreSeen) {
  const std::vector<GpusOfRank> none = {{"n0"}, {"n1"}};
  EXPECT_EQ(check_gpus(none, {}, false, true).front().verdict, Verdict::unknown);
  EXPECT_EQ(check_gpus(none, {}, true, true).front().verdict, Verdict::failed);
  const Finding promised = check_gpus(none, {"SLURM_GPUS_ON_NODE = 8"}, false, true).front();
  EXPECT_EQ(promised.verdict, Verdict::failed);
  EXPECT_THAT(promised.figure, HasSubstr("SLURM_GPUS_ON_NODE = 8"));
  auto ranks = gpus_of_two_nodes();
  ranks[2].gpus.clear();
  ranks[3].gpus.clear();
  EXPECT_EQ(checked(ranks).front().verdict, Verdict::failed);
  EXPECT_THAT(checked(ranks).front().figure, HasSubstr("none seen on n1"));
}

TEST(GpuChecks, CountsAndKinds) {
  EXPECT_EQ(check_gpus(gpus_of_two_nodes(), {}, false, false).front().verdict, Verdict::warning);
  EXPECT_EQ(check_gpus(gpus_of_two_nodes(), {}, true, false).front().verdict, Verdict::failed);
  EXPECT_EQ(check_gpus(gpus_of_two_nodes(), {"SLURM_JOB_GPUS = 0"}, false, false).front().verdict,
            Verdict::failed);
  auto ranks = gpus_of_two_nodes();
  ranks.push_back({"n1", true, "580.65.06", ranks[3].gpus});
  EXPECT_EQ(checked(ranks).front().verdict, Verdict::warning);
  EXPECT_THAT(checked(ranks).front().figure, HasSubstr("n1 (3 ranks, 2 GPUs)"));
  ranks = gpus_of_two_nodes();
  ranks.pop_back();
  EXPECT_THAT(checked(ranks).front().figure, HasSubstr("more than ranks on n1 (1 ranks, 2 GPUs)"));
  ranks = gpus_of_two_nodes();
  ranks[2].gpus[1].name = "NVIDIA A100-SXM4-80GB";
  EXPECT_THAT(checked(ranks).front().remedy, HasSubstr("--constraint"));
}

TEST(GpuChecks, WhatANodeHas) {
  auto ranks = gpus_of_two_nodes();
  ranks[2].driver = "535.1";
  ranks[2].gpus[1].compute_mode = 2;
  ranks[2].gpus[0].uncorrected = 3;
  ranks[0].gpus[0].others = {4711};
  const Findings findings = checked(ranks);
  EXPECT_EQ(of_gpus(findings, "driver").verdict, Verdict::warning);
  EXPECT_EQ(of_gpus(findings, "driver").figure, "535.1 on n1; 580.65.06 on n0");
  EXPECT_EQ(of_gpus(findings, "compute mode").verdict, Verdict::failed);
  EXPECT_EQ(of_gpus(findings, "compute mode").figure, "prohibited: n1: GPU 1");
  EXPECT_EQ(of_gpus(findings, "ECC").verdict, Verdict::failed);
  EXPECT_EQ(of_gpus(findings, "shared with").figure, "n0: GPU 0 with process 4711");
  ranks = gpus_of_two_nodes();
  ranks[0].gpus[0].corrects_errors = false;
  ranks[0].gpus[0].compute_mode = 3;
  EXPECT_EQ(of_gpus(checked(ranks), "ECC").verdict, Verdict::warning);
  EXPECT_EQ(of_gpus(checked(ranks), "compute mode").verdict, Verdict::ok);
  ranks[0].gpus[0].corrects_errors.reset();
  EXPECT_EQ(of_gpus(checked(ranks), "ECC").verdict, Verdict::unknown);
}

}  // namespace
}  // namespace vitrail::launcher
