#include "launcher/plan/measured_links.hpp"

#include <gmock/gmock.h>

#include "launcher/plan/input.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

MeasuredLinks links_of_two_nodes() {
  MeasuredLinks links{.node_gb_per_s = 200, .node_us = 4, .network_gb_per_s = 10, .network_us = 30};
  links.device = "NVIDIA A100-SXM4-80GB, 16 on 2 nodes, exchange by NCCL";
  links.ranks = 16;
  links.nodes = 2;
  links.date = "2026-11-30T00:00:00.000Z";
  return links;
}

PlanInput planned_with(const std::vector<std::string>& words) {
  const CommandLine line = parse_command_line(
      std::vector<std::string>{"plan", "--data.train", "x", "--run.steps", "5", "--run.lanes", "16",
                               "--data.global_batch_size", "256", "--gpu", "a100", "-n", "16"} +
      words);
  return plan_input(line, 5);
}

TEST(MeasuredLinks, GoThroughAFile) {
  const MeasuredLinks read = read_links(config_file(to_text(links_of_two_nodes()), "links.json"));
  EXPECT_EQ(read.node_gb_per_s, 200);
  EXPECT_EQ(read.message_us(), 30);
  EXPECT_EQ(read.device, links_of_two_nodes().device);
  EXPECT_EQ(read.nodes, 2);
  MeasuredLinks alone = links_of_two_nodes();
  alone.network_gb_per_s.reset();
  alone.network_us.reset();
  EXPECT_FALSE(read_links(config_file(to_text(alone), "links.json")).network_gb_per_s);
}

TEST(MeasuredLinks, OtherFilesAreRefused) {
  for (const char* text : {"", "{}", "[1]", R"({"format": "vitrail links 2"})"})
    EXPECT_THROW(read_links(config_file(text, "links.json")), Error) << text;
  std::string text = to_text(links_of_two_nodes());
  text.replace(text.find("200"), 3, "-20");
  EXPECT_THROW(read_links(config_file(text, "links.json")), Error);
  EXPECT_THROW(read_links("no-such-file"), Error);
}

// Twice as slow links are twice the seconds of what they carry: the plan's figures follow the file.
TEST(MeasuredLinks, PlansFollowThem) {
  const std::string file = config_file(to_text(links_of_two_nodes()), "links.json");
  const PlanInput measured = planned_with({"--measured-links", file});
  EXPECT_DOUBLE_EQ(measured.node_gb_per_s(), 200);
  EXPECT_DOUBLE_EQ(measured.network_gb_per_s(), 10);
  EXPECT_DOUBLE_EQ(measured.message_s, 30e-6);
  EXPECT_DOUBLE_EQ(planned_with({}).network_gb_per_s(), 0.8 * 25);
  PlanInput free_messages = measured, halved = measured;
  free_messages.message_s = halved.message_s = 0;
  free_messages.config.sharding.overlap = halved.config.sharding.overlap = false;
  halved.links.network_gb_per_s = 5;
  halved.links.node_gb_per_s = 100;
  const ClusterPlan fast = plan_cluster(free_messages), slow = plan_cluster(halved);
  EXPECT_GT(fast.step.weights, 0);
  EXPECT_NEAR(slow.step.weights / fast.step.weights, 2, 1e-9);
}

TEST(MeasuredLinks, ByHandIsNotMeasured) {
  const std::string file = config_file(to_text(links_of_two_nodes()), "links.json");
  EXPECT_THROW(planned_with({"--measured-links", file, "--network-gb-per-s", "3"}), Error);
  MeasuredLinks alone = links_of_two_nodes();
  alone.network_gb_per_s.reset();
  alone.network_us.reset();
  const std::string of_one_node = config_file(to_text(alone), "one.json");
  const PlanInput both = planned_with({"--measured-links", of_one_node, "--network-gb-per-s", "3"});
  EXPECT_DOUBLE_EQ(both.network_gb_per_s(), 0.8 * 3);
  EXPECT_DOUBLE_EQ(both.message_s, 4e-6);
}

}  // namespace
}  // namespace vitrail::launcher
