#include <gmock/gmock.h>

#include "launcher/doctor/checks/data.hpp"
#include "launcher/doctor/expected.hpp"
#include "models/families/catalogue.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

DataFacts good_data() {
  DataFacts facts{"data.train", "packs/a"};
  facts.images = 1000;
  facts.classes = 10;
  facts.shards = 2;
  facts.fingerprints = {"aa", "aa"};
  facts.rates = {{"n0", 1200, 300, 60e6, 0.1}, {"n1", 1000, 250, 50e6, 0.1}};
  return facts;
}

TEST(DataChecks, NothingIsWrong) {
  const Findings findings = check_data(good_data(), 10, 900);
  ASSERT_EQ(findings.size(), 2);
  EXPECT_EQ(findings[0].verdict, Verdict::ok);
  EXPECT_EQ(findings[0].figure,
            "packs/a: 1000 images of 10 classes; the index has its hash, 2 shards their sizes");
  EXPECT_EQ(findings[1].verdict, Verdict::ok);
  EXPECT_EQ(
      findings[1].figure,
      "1000 images/s and 50.0 MB/s read by the slowest rank (n1), all at once; by plan the model takes 900");
}

TEST(DataChecks, WhatCannotBeLearnedFrom) {
  DataFacts facts{"data.train", "packs/b", "packs/b: no such folder", "make it"};
  ASSERT_EQ(check_data(facts, 10, {}).size(), 1);
  EXPECT_EQ(check_data(facts, 10, {}).front().verdict, Verdict::failed);
  EXPECT_EQ(check_data(facts, 10, {}).front().remedy, "make it");
  EXPECT_EQ(status_of(check_data(facts, 10, {})), ExitCode::refused);
  facts.may_pass = true;
  EXPECT_EQ(status_of(check_data(facts, 10, {})), ExitCode::io);
  EXPECT_EQ(check_data(good_data(), 9, {}).front().verdict, Verdict::failed);
  EXPECT_EQ(check_data(good_data(), 11, {}).front().verdict, Verdict::warning);
  EXPECT_EQ(check_data(good_data(), std::nullopt, {}).front().verdict, Verdict::ok);
  facts = good_data();
  facts.fingerprints = {"aa", "bb"};
  EXPECT_EQ(check_data(facts, 10, {}).front().verdict, Verdict::failed);
}

TEST(DataChecks, SlowerThanTheModel) {
  const Finding decoding = check_data(good_data(), 10, 2600).back();
  EXPECT_EQ(decoding.verdict, Verdict::warning);
  EXPECT_THAT(decoding.remedy, HasSubstr("11 cores for a rank would do"));
  DataFacts facts = good_data();
  facts.rates[1].read_share = 0.8;
  EXPECT_THAT(check_data(facts, 10, 2600).back().remedy, HasSubstr("data.stage_dir"));
  EXPECT_EQ(check_data(good_data(), 10, {}).back().verdict, Verdict::ok);
}

TEST(Expected, RatesOfPlans) {
  trainer::Config config;
  config.model.name = "vit_ti16";
  config.run.steps = 1;
  config.run.lanes = 8;
  config.data.global_batch_size = 1024;
  config.data.train = "packs/a";
  EXPECT_FALSE(expected_images_per_s(config, GpuKind::by_hand, "", {8, 8}));
  const auto named = expected_images_per_s(config, GpuKind::h100, "", {8, 8});
  ASSERT_TRUE(named);
  EXPECT_EQ(expected_images_per_s(config, GpuKind::by_hand, "NVIDIA H100 80GB HBM3", {8, 8}), named);
  config.run.peak_tflops = 1;
  const double macs = models::describe_model(config.model).macs_in_training;
  EXPECT_DOUBLE_EQ(*expected_images_per_s(config, GpuKind::by_hand, "", {1, 1}), 0.4e12 / (6 * macs));
}

TEST(Expected, LinksOfADataSheet) {
  const ExpectedLinks of_sheet = expected_links(GpuKind::by_hand, "NVIDIA H200", {}, {});
  EXPECT_DOUBLE_EQ(*of_sheet.node_gb_per_s, 0.8 * 450);
  EXPECT_DOUBLE_EQ(*of_sheet.network_gb_per_s, 0.8 * 50);
  EXPECT_EQ(of_sheet.source, "80 % of H200 141 GB's data sheet");
  EXPECT_DOUBLE_EQ(*expected_links(GpuKind::h200, "", {}, 3).network_gb_per_s, 3);
  EXPECT_FALSE(expected_links(GpuKind::by_hand, "a GPU that nobody knows", {}, {}).node_gb_per_s);
}

}  // namespace
}  // namespace vitrail::launcher
