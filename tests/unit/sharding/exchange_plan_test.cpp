// Plans, carried out on sets of lanes instead of numbers: whatever the ranks and wherever they are, each rank
// ends with the root of the tree over its own slices, made of siblings only.
#include "sharding/plan/exchange_plan.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "sharding/plan/exchange_steps.hpp"
#include "sharding/plan/exchange_traffic.hpp"
#include "tests/support/placements.hpp"

namespace vitrail::sharding {
namespace {

constexpr std::array kRoutes = {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving};

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// One rank's memory while a plan is carried out: which lanes each slice of each of its sums is over.
struct RankMemory {
  std::vector<std::vector<LaneRange>> sums;  // [place][slice]
  std::vector<LaneRange> received;
};

class Simulation {
 public:
  explicit Simulation(const ExchangePlan& plan) : plan_(plan) {
    for (int rank = 0; rank < plan.world; ++rank) {
      steps_.push_back(reduce_rounds(plan, rank));
      RankMemory& memory = memories_.emplace_back();
      for (const LaneRange block : aligned_blocks(lanes_of_rank(plan.lanes, plan.world, rank))) {
        memory.sums.emplace_back(index(plan.lanes), block);
      }
    }
  }

  void run() {
    for (int round = 0; round < plan_.rounds; ++round) {
      for (int rank = 0; rank < plan_.world; ++rank) send(rank, steps_[index(rank)][index(round)]);
      for (int rank = 0; rank < plan_.world; ++rank) receive(rank, steps_[index(rank)][index(round)]);
      for (const auto& [pair, messages] : under_way_) {
        ASSERT_TRUE(messages.empty()) << pair.first << " to " << pair.second;
      }
    }
  }
  LaneRange result(int rank, std::int64_t slice) const {
    return memories_[index(rank)].sums[0][index(slice)];
  }

 private:
  void send(int rank, const ReduceRound& round) {
    for (const Message& message : round.send) {
      EXPECT_NE(message.peer, rank);
      std::vector<LaneRange> values;
      for (std::int64_t s = message.slices.begin; s < message.slices.end; ++s) {
        values.push_back(memories_[index(rank)].sums[index(message.place)][index(s)]);
        EXPECT_EQ(values.back(), message.block);
      }
      under_way_[{rank, message.peer}].push_back(values);
    }
  }
  void receive(int rank, const ReduceRound& round) {
    std::vector<LaneRange>& received = memories_[index(rank)].received;
    received.assign(index(round.received()), LaneRange{});
    for (const Message& message : round.receive) {
      auto& messages = under_way_[{message.peer, rank}];
      ASSERT_FALSE(messages.empty());
      ASSERT_EQ(messages.front().size(), index(message.slices.count()));
      std::ranges::copy(messages.front(), received.begin() + message.received_at);
      messages.pop_front();
    }
    for (const LocalAddition& addition : round.additions) add(memories_[index(rank)], addition);
  }
  void add(RankMemory& memory, const LocalAddition& addition) {
    for (std::int64_t s = addition.slices.begin; s < addition.slices.end; ++s) {
      std::vector<LaneRange> stack;
      for (const Term& term : addition.terms) {
        LaneRange node = term.received ? memory.received[index(term.received_at + s - addition.slices.begin)]
                                       : memory.sums[index(term.place)][index(s)];
        EXPECT_EQ(node, term.block);
        while (!stack.empty() && stack.back().count() == node.count() && stack.back().end == node.begin &&
               stack.back().begin % (2 * node.count()) == 0) {
          node.begin = stack.back().begin;
          stack.pop_back();
        }
        stack.push_back(node);
      }
      ASSERT_EQ(stack.size(), 1U) << "what is left are no siblings";
      memory.sums[index(addition.place)][index(s)] = stack.front();
    }
  }

  const ExchangePlan& plan_;
  std::vector<std::vector<ReduceRound>> steps_;
  std::vector<RankMemory> memories_;
  std::map<std::pair<int, int>, std::deque<std::vector<LaneRange>>> under_way_;
};

TEST(ExchangePlans, EndWithTheRootOfTheTreeAtTheOwnersAnywhere) {
  for (const std::int64_t lanes : {1, 2, 4, 8, 16, 64}) {
    for (int world = 1; world <= lanes; world += world < 9 ? 1 : 5) {
      for (const Topology& topology : tests::placements(world)) {
        for (const ExchangeRoute route : kRoutes) {
          const ExchangePlan plan = exchange_plan(route, lanes, topology);
          Simulation simulation(plan);
          simulation.run();
          for (int rank = 0; rank < world; ++rank) {
            for (std::int64_t s = plan.slices[index(rank)].begin; s < plan.slices[index(rank)].end; ++s) {
              ASSERT_EQ(simulation.result(rank, s), (LaneRange{0, lanes}))
                  << lanes << " lanes, " << world << " ranks, slice " << s;
            }
          }
        }
      }
    }
  }
}

TEST(ExchangePlans, BackwardsBringEveryRankEverySliceOnce) {
  for (const std::int64_t lanes : {1, 2, 8, 32}) {
    for (int world = 1; world <= lanes; world += world < 9 ? 1 : 5) {
      for (const Topology& topology : tests::placements(world)) {
        for (const ExchangeRoute route : kRoutes) {
          const ExchangePlan plan = exchange_plan(route, lanes, topology);
          std::vector<std::vector<int>> has(index(world), std::vector<int>(index(lanes)));
          for (int rank = 0; rank < world; ++rank) {
            const LaneRange own = plan.slices[index(rank)];
            for (std::int64_t s = own.begin; s < own.end; ++s) has[index(rank)][index(s)] = 1;
          }
          std::vector<std::vector<GatherRound>> rounds;
          for (int rank = 0; rank < world; ++rank) rounds.push_back(gather_rounds(plan, rank));
          for (int round = 0; round < plan.rounds; ++round) {
            const auto before = has;
            for (int rank = 0; rank < world; ++rank) {
              for (const Part& part : rounds[index(rank)][index(round)].send) {
                for (std::int64_t s = part.slices.begin; s < part.slices.end; ++s) {
                  ASSERT_EQ(before[index(rank)][index(s)], 1) << "sends what it has not got";
                  ++has[index(part.peer)][index(s)];
                }
              }
            }
          }
          for (int rank = 0; rank < world; ++rank) {
            ASSERT_EQ(has[index(rank)], std::vector<int>(index(lanes), 1))
                << world << " ranks, rank " << rank;
          }
        }
      }
    }
  }
}

using PlannedSends =
    std::vector<std::tuple<int, std::int64_t, std::int64_t, std::int64_t>>;  // to, block, slices

PlannedSends sends_of(const ExchangePlan& plan, int rank) {
  PlannedSends sends;
  for (const ReduceRound& round : reduce_rounds(plan, rank)) {
    for (const Message& m : round.send) {
      sends.emplace_back(m.peer, m.block.begin, m.slices.begin, m.slices.end);
    }
  }
  std::ranges::sort(sends);
  return sends;
}

// Each of its blocks, for the slices of each other rank's lanes, to that rank.
TEST(ExchangePlans, DirectSendsEveryBlockToEveryOwnerAtOnce) {
  for (const std::int64_t lanes : {1, 8, 64}) {
    for (int world = 1; world <= lanes; ++world) {
      const ExchangePlan plan = exchange_plan(ExchangeRoute::direct, lanes, tests::placements(world).back());
      EXPECT_EQ(plan.rounds, world == 1 ? 0 : 1);
      for (int rank = 0; rank < world; ++rank) {
        PlannedSends expected;
        for (int peer = 0; peer < world; ++peer) {
          const LaneRange theirs = lanes_of_rank(lanes, world, peer);
          EXPECT_EQ(plan.slices[index(peer)], theirs);
          for (const LaneRange block : aligned_blocks(lanes_of_rank(lanes, world, rank))) {
            if (peer != rank) expected.emplace_back(peer, block.begin, theirs.begin, theirs.end);
          }
        }
        std::ranges::sort(expected);
        EXPECT_EQ(sends_of(plan, rank), expected) << lanes << " lanes, rank " << rank << " of " << world;
      }
    }
  }
}

TEST(ExchangePlans, HalvingSwapsHalvesOfWhatIsLeftWithOnePartnerARound) {
  for (const std::int64_t lanes : {8, 64, 1024}) {
    for (int world = 1; world <= std::min<std::int64_t>(lanes, 256); world *= 2) {
      const ExchangePlan plan = exchange_plan(ExchangeRoute::halving, lanes, one_node(world));
      EXPECT_EQ(plan.rounds, std::countr_zero(static_cast<unsigned>(world)));
      for (int rank = 0; rank < world; ++rank) {
        const std::vector<ReduceRound> rounds = reduce_rounds(plan, rank);
        const std::vector<GatherRound> back = gather_rounds(plan, rank);
        std::int64_t left = lanes;
        for (int round = 0; round < plan.rounds; ++round) {
          left /= 2;
          const ReduceRound& now = rounds[index(round)];
          ASSERT_EQ(now.send.size(), 1U);
          ASSERT_EQ(now.receive.size(), 1U);
          EXPECT_EQ(now.send[0].peer, rank ^ (1 << round));
          EXPECT_EQ(now.send[0].slices.count(), left);
          const GatherRound& later = back[index(plan.rounds - 1 - round)];
          ASSERT_EQ(later.send.size(), 1U);
          EXPECT_EQ(later.send[0].peer, rank ^ (1 << round));
          EXPECT_EQ(later.send[0].slices.count(), left);
        }
      }
    }
  }
}

// A bucket leaves each node (M - 1) / M times, whatever is added inside, where nodes hold aligned blocks.
TEST(ExchangePlans, CrossNodesAsLittleAsTheTreeAllows) {
  constexpr std::int64_t kWorldLanes = 64;
  for (const int world : {4, 8, 16, 64}) {
    for (int per_node = 1; per_node <= world; per_node *= 2) {
      const Topology topology = full_nodes(world, per_node);
      const int nodes = topology.nodes();
      for (const ExchangeRoute route : {ExchangeRoute::two_level, ExchangeRoute::halving}) {
        const ExchangePlan plan = exchange_plan(route, kWorldLanes, topology);
        EXPECT_EQ(reduce_traffic(plan, topology).of_all().across, kWorldLanes * (nodes - 1));
        EXPECT_EQ(gather_traffic(plan, topology).of_all().across, kWorldLanes * (nodes - 1));
        const Sent busiest = reduce_traffic(plan, topology).of_busiest();
        EXPECT_EQ(busiest.slices(), kWorldLanes / world * (world - 1)) << "all send alike, and the bound";
        EXPECT_EQ(busiest.across * per_node * nodes, kWorldLanes * (nodes - 1));
      }
      const Sent direct =
          reduce_traffic(exchange_plan(ExchangeRoute::direct, kWorldLanes, topology), topology).of_all();
      EXPECT_EQ(direct.across, kWorldLanes * (nodes - 1) * per_node);
    }
  }
}

// Of 64 slices 32, 16 and 8 stay in a node of eight ranks, then 4 and 2 go to other nodes.
TEST(ExchangePlans, ACallTakesAsLongAsTheLinksThatAreBusiest) {
  const Links links{16, 1, 0.125};
  const Topology topology = full_nodes(32, 8);
  const ExchangePlan plan = exchange_plan(ExchangeRoute::halving, 64, topology);
  const ExchangeTraffic traffic = reduce_traffic(plan, topology);
  EXPECT_EQ(seconds(traffic, 1, 0, links), 2 + 1 + 0.5 + 3 * 0.125);
  EXPECT_EQ(seconds(traffic, 0, 1, links), 4 + 2 + 2 * 0.125);
  EXPECT_EQ(seconds(traffic, 1, 1, links), 4 + 2 + 0.5 + 3 * 0.125);
  EXPECT_EQ(seconds(traffic, 8, 1, links), 16 + 8 + 4 + 3 * 0.125);
  const ExchangeTraffic back = gather_traffic(plan, topology);
  EXPECT_EQ(seconds(back, 1, 0, links), 4 + 2 + 2 * 0.125);
  EXPECT_EQ(seconds(back, 0, 1, links), 2 + 1 + 0.5 + 3 * 0.125);
}

// Weights to 20 ranks with 32 lanes on 3 nodes: nobody sends more than 12 slices out of its node, but some
// rank gets 25 from other nodes.
TEST(ExchangePlans, ACallTakesAsLongAsTheRankThatReceivesMost) {
  const Links network_alone{1e30, 1, 0};
  const Topology topology = full_nodes(20, 8);
  const ExchangePlan plan = exchange_plan(ExchangeRoute::two_level, 32, topology);
  const ExchangeTraffic back = gather_traffic(plan, topology);
  EXPECT_EQ(back.of_busiest().across, 12);
  EXPECT_DOUBLE_EQ(seconds(back, 1, 0, network_alone), 25);
}

// What is counted without a look at each message is what each message adds up to.
TEST(ExchangePlans, RanksReceiveWhatIsSent) {
  for (const Topology& topology : tests::placements(12)) {
    const ExchangePlan plan = exchange_plan(ExchangeRoute::direct, 32, topology);
    std::vector<std::int64_t> across(12), messages(12);
    for_each_addition(plan, [&](const Addition& addition) {
      const int to = addition.sum.home.rank;
      for (const PlacedSum& term : addition.terms) {
        if (term.home.rank == to) continue;
        if (!topology.together(term.home.rank, to))
          across[static_cast<std::size_t>(to)] += addition.slices.count();
        ++messages[static_cast<std::size_t>(to)];
      }
    });
    for (const ExchangeTraffic& traffic : {reduce_traffic(plan, topology), gather_traffic(plan, topology)}) {
      std::int64_t received = 0;
      for (const Sent& of_rank : traffic.received().front()) received += of_rank.slices();
      EXPECT_EQ(received, traffic.of_all().slices());
    }
    const ExchangeTraffic sums = reduce_traffic(plan, topology);
    for (std::size_t rank = 0; rank < 12; ++rank) {
      EXPECT_EQ(sums.received().front()[rank].across, across[rank]);
      EXPECT_EQ(sums.received().front()[rank].messages, messages[rank]);
    }
  }
}

TEST(ExchangePlans, TheFastestIsChosenByWhereRanksAre) {
  const Links links{100e9, 10e9, 5e-6};
  constexpr double kBytes = 1 << 20;
  EXPECT_EQ(fastest_route(64, one_node(8), kBytes, links), ExchangeRoute::direct);
  EXPECT_NE(fastest_route(64, full_nodes(16, 8), kBytes, links), ExchangeRoute::direct);
  std::vector<Topology> all = tests::placements(12);
  for (const int per_node : {1, 2, 4, 8}) {
    for (int ranks = 2; ranks <= 64; ranks *= 2) all.push_back(full_nodes(ranks, per_node));
  }
  for (const Topology& topology : all) {  // never one that another of the three beats
    const auto takes = [&](ExchangeRoute route) {
      const ExchangePlan plan = exchange_plan(route, 64, topology);
      return seconds(reduce_traffic(plan, topology), kBytes, kBytes, links) +
             seconds(gather_traffic(plan, topology), kBytes, kBytes, links);
    };
    if (topology.nodes() == 1) continue;
    for (const ExchangeRoute route : kRoutes) {
      EXPECT_LE(takes(fastest_route(64, topology, kBytes, links)), takes(route));
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
