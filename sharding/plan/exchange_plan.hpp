// How a bucket's sum over all lanes is made: which rank adds which sums of the tree for which slices, and so
// who sends what to whom, in rounds. A pure value: the reducer executes it, the memory plan counts it, `plan`
// prices it. Units: slices, of which a bucket has as many as there are lanes. Throws: as lanes_of_rank().
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sharding/plan/lanes.hpp"
#include "sharding/plan/shard_layout.hpp"
#include "sharding/plan/topology.hpp"

namespace vitrail::sharding {

// Every plan adds siblings of the one balanced tree, so all have the same bits on any placement; they differ
// in where a sum is made. The law of all plans: the sum over an aligned block for the slices of rank q is
// made where the lane block.begin + (q's first lane mod the block's size) lives. The root's sum is so made at
// q itself, and one term of each sum is at home already. A route says which blocks' sums are made at all.
enum class ExchangeRoute {
  direct,     // the root's only: every rank sends each other rank its part
  two_level,  // those of the largest blocks inside a node, and the root's
  halving,    // all above a rank's own: for powers of two, rank r's partners are r xor 1, 2, 4, ..., and half
              // of what is left goes to each
  library,    // none: the communicator sums over ranks, in its order
};

// A sum over lanes that some rank makes of others; blocks that lie within one rank are there from the start.
struct TreeSum {
  LaneRange block;
  std::vector<LaneRange> terms;  // in lane order: they cover the block
  int round = 0;                 // from 0
  bool in_a_node = false;        // nothing of it crosses the network
};

// Where a sum over a block of lanes lies: in the memory of one of a rank's own blocks.
struct Home {
  int rank = 0;
  int place = 0;  // index of the block among the rank's

  bool operator==(const Home&) const = default;
};

struct ExchangePlan {
  ExchangeRoute route = ExchangeRoute::direct;
  std::int64_t lanes = 1;
  int world = 1;
  std::vector<LaneRange> slices;  // by rank: those it owns
  std::vector<Home> homes;        // by lane: where it lives
  std::vector<TreeSum> sums;      // by round
  int rounds = 0;
  int rounds_inside = 0;  // the first so many leave no node
  // By the binary logarithm of a block's size: slices that lie together and whose sums over such a block are
  // made in one place of it.
  struct Group {
    std::int64_t residue = 0;  // of the owners' first lanes, modulo the block's size
    LaneRange slices;
  };
  std::vector<std::vector<Group>> groups;

  bool by_library() const { return route == ExchangeRoute::library; }
  // While one bucket's sums go between nodes, the next one's are made inside them, and back likewise: each
  // kind of link has something to do. A bucket's exchange then begins in one call to run it and ends in the
  // next; opening: the rounds of the first.
  bool is_pipelined() const { return rounds_inside > 0 && rounds_inside < rounds; }
  int opening_rounds() const { return is_pipelined() ? rounds_inside : rounds; }
  int opening_rounds_back() const { return is_pipelined() ? rounds - rounds_inside : rounds; }
  // Weights have nothing to be added to between their rounds: where these are many, two buckets share them.
  std::size_t buckets_back() const { return route == ExchangeRoute::halving ? 2 : 1; }
};

SliceOrder slice_order(ExchangeRoute route);  // by_rank where ranks send to all others at once
ExchangePlan exchange_plan(ExchangeRoute route, std::int64_t lanes, const Topology& topology);
ShardLayout layout_of(const ExchangePlan& plan, Stage stage, int rank);

struct PlacedSum {
  LaneRange block;
  Home home;
};

struct Addition {
  PlacedSum sum;
  LaneRange slices;
  std::vector<PlacedSum> terms;  // in lane order; one at least is at the sum's home
  int round = 0;
};

// All additions of the plan, or those that `rank` has a part in, as maker or as sender: by round.
void for_each_addition(const ExchangePlan& plan, const std::function<void(const Addition&)>& visit);
void for_each_addition(const ExchangePlan& plan, int rank, const std::function<void(const Addition&)>& visit);

// By rank: the most slices of sums that it receives in a round; where buckets overlap, that and the most of
// those that end.
std::vector<std::int64_t> most_received(const ExchangePlan& plan);

// The same plan backwards: every rank's slices of what it has made of the sums, to all ranks. Nobody gets a
// slice twice, and nobody sends one that it has not got in an earlier round.
struct Transfer {
  int from = 0, to = 0;
  LaneRange slices;
  int round = 0;
};
void for_each_transfer(const ExchangePlan& plan, const std::function<void(const Transfer&)>& visit);

}  // namespace vitrail::sharding
