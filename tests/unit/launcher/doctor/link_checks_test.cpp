#include <set>

#include <gmock/gmock.h>

#include "launcher/doctor/checks/links.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/host_device.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::set<std::pair<int, int>> pairs_of(const std::vector<LinkRound>& rounds, bool across) {
  std::set<std::pair<int, int>> pairs;
  for (const LinkRound& round : rounds) {
    if (round.across != across) continue;
    for (int rank = 0; rank < static_cast<int>(round.partner.size()); ++rank) {
      const int peer = round.partner[static_cast<std::size_t>(rank)];
      if (peer < 0) continue;
      EXPECT_EQ(round.partner[static_cast<std::size_t>(peer)], rank);
      if (peer < rank) continue;
      EXPECT_TRUE(pairs.insert({rank, peer}).second) << rank << " " << peer;
    }
  }
  return pairs;
}

TEST(LinkRounds, EveryTwoRanksOfANodeMeetAndEveryTwoNodes) {
  for (int nodes = 1; nodes <= 5; ++nodes) {
    for (int each = 1; each <= 5; ++each) {
      const sharding::Topology topology = sharding::full_nodes(nodes * each, each);
      const auto rounds = link_rounds(topology);
      EXPECT_EQ(pairs_of(rounds, false).size(), static_cast<std::size_t>(nodes * each * (each - 1) / 2));
      EXPECT_EQ(pairs_of(rounds, true).size(), static_cast<std::size_t>(each * nodes * (nodes - 1) / 2));
      for (const auto& [rank, peer] : pairs_of(rounds, false)) EXPECT_TRUE(topology.together(rank, peer));
      for (const auto& [rank, peer] : pairs_of(rounds, true)) EXPECT_FALSE(topology.together(rank, peer));
    }
  }
}

TEST(LinkRounds, UnevenNodesAndManyNodes) {
  const auto rounds = link_rounds(sharding::topology_of({"a", "b", "a", "a", "c"}));
  EXPECT_EQ(pairs_of(rounds, false).size(), 3);
  EXPECT_EQ(pairs_of(rounds, true).size(), 3);  // a-b, a-c, b-c by their first ranks
  EXPECT_EQ(link_rounds(sharding::full_nodes(512, 8)).size(), 7 + 15);
  EXPECT_THAT(link_rounds(sharding::one_node(1)), IsEmpty());
}

TEST(LinkRounds, OneRankHasNoLinks) {
  sharding::LocalCommunicator alone;
  sharding::HostDevice host;
  const LinkFacts facts = measure_links(alone, host, sharding::one_node(1));
  EXPECT_THAT(facts.links, IsEmpty());
  EXPECT_FALSE(facts.all_reduce_s);
}

const std::vector<std::string> kHosts = {"n0", "n0", "n1", "n1"};

// Inside 300 GB/s and 3 us, across 40 and 20.
LinkFacts good_links() {
  LinkFacts facts;
  facts.links = {{0, 1, false, 3e-6, 300e9},
                 {2, 3, false, 3e-6, 310e9},
                 {0, 2, true, 20e-6, 40e9},
                 {1, 3, true, 20e-6, 41e9}};
  facts.all_reduce_bytes = 64e6;
  facts.all_reduce_s = 2e-3;
  return facts;
}

TEST(LinkChecks, AgainstThePlan) {
  for (const Finding& finding : check_links(good_links(), kHosts, {360, 40, "80 % of H100"}, true))
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.figure;
  const Findings unknown = check_links(good_links(), kHosts, {}, false);
  ASSERT_EQ(unknown.size(), 3);
  EXPECT_EQ(unknown[1].verdict, Verdict::ok);
  EXPECT_EQ(unknown[1].figure, "41 GB/s each way, 20 us a message (median of 2 pairs)");
  EXPECT_EQ(unknown[2].figure, "64.0 MB of gradients in 2 ms: 32 GB/s");
  const Findings slow = check_links(good_links(), kHosts, {700, 100, "a data sheet"}, true);
  EXPECT_EQ(slow[0].verdict, Verdict::warning);
  EXPECT_EQ(slow[1].verdict, Verdict::warning);
  EXPECT_THAT(slow[1].figure, HasSubstr("plan counts with 100 GB/s (a data sheet)"));
  EXPECT_THAT(slow[1].remedy, HasSubstr("vitrail plan --measured-links"));
}

TEST(LinkChecks, InfinibandThatIsNotUsed) {
  LinkFacts facts = good_links();
  facts.links[2].bytes_per_s = facts.links[3].bytes_per_s = 1.1e9;
  EXPECT_EQ(check_links(facts, kHosts, {}, false)[1].verdict, Verdict::ok);
  const Finding finding = check_links(facts, kHosts, {}, true)[1];
  EXPECT_EQ(finding.verdict, Verdict::warning);
  EXPECT_THAT(finding.figure, HasSubstr("this is what TCP carries"));
}

TEST(LinkChecks, OneCableIsBad) {
  LinkFacts facts = good_links();
  facts.links.push_back({2, 5, true, 20e-6, 4e9});
  const std::vector<std::string> hosts = {"n0", "n0", "n1", "n1", "n2", "n2"};
  const Finding finding = check_links(facts, hosts, {}, false)[1];
  EXPECT_EQ(finding.verdict, Verdict::warning);
  EXPECT_THAT(finding.figure, HasSubstr("slowest rank 2 (n1) - rank 5 (n2): 4 GB/s"));
}

TEST(LinkChecks, MediansAreForPlans) {
  const MeasuredLinks links = medians_of(good_links(), kHosts);
  EXPECT_EQ(links.node_gb_per_s, 310);
  EXPECT_EQ(links.network_gb_per_s, 41);
  EXPECT_DOUBLE_EQ(*links.message_us(), 20);
  EXPECT_EQ(links.nodes, 2);
  EXPECT_FALSE(medians_of({}, {"n0"}).message_us());
}

}  // namespace
}  // namespace vitrail::launcher
