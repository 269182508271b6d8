#include "sharding/plan/exchange_plan.hpp"

#include <algorithm>
#include <utility>

namespace vitrail::sharding {
namespace {

// Walks the tree from its root down to the blocks that lie within one rank.
class Builder {
 public:
  Builder(ExchangePlan& plan, const Topology& topology) : plan_(plan), topology_(topology) {}

  struct Made {
    LaneRange block;
    int round = 0;  // the first in which it can be sent
  };

  // The sums that are there, once those inside `block` are made that the plan makes, to add up to it.
  std::vector<Made> make(LaneRange block, bool parent_is_in_a_node) {
    if (first_rank(block) == last_rank(block)) return {{block, 0}};
    const bool in_a_node = is_in_a_node(block);
    const std::int64_t middle = (block.begin + block.end) / 2;
    std::vector<Made> terms = make({block.begin, middle}, in_a_node);
    const std::vector<Made> right = make({middle, block.end}, in_a_node);
    terms.insert(terms.end(), right.begin(), right.end());
    const bool is_root = block.count() == plan_.lanes;
    const bool is_largest_in_a_node = in_a_node && !parent_is_in_a_node;
    const bool made = is_root || plan_.route == ExchangeRoute::halving ||
                      (plan_.route == ExchangeRoute::two_level && is_largest_in_a_node);
    if (!made) return terms;
    TreeSum& sum = plan_.sums.emplace_back(TreeSum{block, {}, 0});
    for (const Made& term : terms) {
      sum.terms.push_back(term.block);
      sum.round = std::max(sum.round, term.round);
    }
    return {{block, sum.round + 1}};
  }

 private:
  int rank_of(std::int64_t lane) const { return plan_.homes[static_cast<std::size_t>(lane)].rank; }
  int first_rank(LaneRange block) const { return rank_of(block.begin); }
  int last_rank(LaneRange block) const { return rank_of(block.end - 1); }
  bool is_in_a_node(LaneRange block) const {
    for (int rank = first_rank(block); rank <= last_rank(block); ++rank) {
      if (!topology_.together(rank, first_rank(block))) return false;
    }
    return true;
  }

  ExchangePlan& plan_;
  const Topology& topology_;
};

// Where the sum over a block is made for the slices of a rank whose first lane is `owner_lane`.
PlacedSum place(const ExchangePlan& plan, LaneRange block, std::int64_t owner_lane) {
  return {block, plan.homes[static_cast<std::size_t>(block.begin + owner_lane % block.count())]};
}

std::vector<Home> homes_of_lanes(std::int64_t lanes, int world) {
  std::vector<Home> homes;
  for (int rank = 0; rank < world; ++rank) {
    Home home{rank, 0};
    for (const LaneRange block : aligned_blocks(lanes_of_rank(lanes, world, rank))) {
      homes.insert(homes.end(), static_cast<std::size_t>(block.count()), home);
      ++home.place;
    }
  }
  return homes;
}

struct Owned {
  std::int64_t lane;  // the owner's first
  LaneRange slices;
};

std::vector<Owned> by_position(const ExchangePlan& plan) {
  std::vector<Owned> all;
  for (int rank = 0; rank < plan.world; ++rank) {
    all.push_back(
        {lanes_of_rank(plan.lanes, plan.world, rank).begin, plan.slices[static_cast<std::size_t>(rank)]});
  }
  std::ranges::sort(all, {}, [](const Owned& owned) { return owned.slices.begin; });
  return all;
}

// Slices that lie together and whose sums over the block are made in one place are one addition.
void visit_sum(const ExchangePlan& plan, const TreeSum& sum, const std::vector<Owned>& owned,
               const std::function<void(const Addition&)>& visit) {
  const auto residue = [&](std::size_t i) { return owned[i].lane % sum.block.count(); };
  for (std::size_t first = 0, next = 0; first < owned.size(); first = next) {
    while (next < owned.size() && residue(next) == residue(first)) ++next;
    Addition addition{place(plan, sum.block, owned[first].lane),
                      {owned[first].slices.begin, owned[next - 1].slices.end},
                      {},
                      sum.round};
    for (const LaneRange term : sum.terms) addition.terms.push_back(place(plan, term, owned[first].lane));
    visit(addition);
  }
}

// Which ranks have which slices, while they are gathered.
class Holders {
 public:
  explicit Holders(const ExchangePlan& plan)
      : lanes_(static_cast<std::size_t>(plan.lanes)), has_(static_cast<std::size_t>(plan.world) * lanes_) {
    for (int rank = 0; rank < plan.world; ++rank) take(rank, plan.slices[static_cast<std::size_t>(rank)]);
  }
  void take(int rank, LaneRange slices) { std::fill(at(rank, slices.begin), at(rank, slices.end), true); }
  std::vector<LaneRange> missing(int rank, LaneRange slices) {
    std::vector<LaneRange> runs;
    for (std::int64_t slice = slices.begin; slice < slices.end; ++slice) {
      if (*at(rank, slice)) continue;
      if (runs.empty() || runs.back().end != slice) runs.push_back({slice, slice});
      runs.back().end = slice + 1;
    }
    return runs;
  }

 private:
  std::vector<bool>::iterator at(int rank, std::int64_t slice) {
    return has_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank) * lanes_) + slice;
  }
  std::size_t lanes_;
  std::vector<bool> has_;
};

}  // namespace

SliceOrder slice_order(ExchangeRoute route) {
  const bool at_once = route == ExchangeRoute::direct || route == ExchangeRoute::library;
  return at_once ? SliceOrder::by_rank : SliceOrder::bit_reversed;
}

ExchangePlan exchange_plan(ExchangeRoute route, std::int64_t lanes, const Topology& topology) {
  ExchangePlan plan{route, lanes, topology.ranks(), {}, {}, {}, 0};
  plan.slices = slices_of_ranks(lanes, plan.world, slice_order(route));
  plan.homes = homes_of_lanes(lanes, plan.world);
  if (plan.by_library()) return plan;
  Builder(plan, topology).make({0, lanes}, false);
  std::ranges::stable_sort(plan.sums, {}, &TreeSum::round);
  plan.rounds = plan.sums.empty() ? 0 : plan.sums.back().round + 1;
  return plan;
}

void for_each_addition(const ExchangePlan& plan, const std::function<void(const Addition&)>& visit) {
  const std::vector<Owned> owned = by_position(plan);
  for (const TreeSum& sum : plan.sums) visit_sum(plan, sum, owned, visit);
}

void for_each_addition(const ExchangePlan& plan, int rank,
                       const std::function<void(const Addition&)>& visit) {
  const std::vector<Owned> owned = by_position(plan);
  const LaneRange lanes = lanes_of_rank(plan.lanes, plan.world, rank);
  for (const TreeSum& sum : plan.sums) {
    if (sum.block.end <= lanes.begin || lanes.end <= sum.block.begin) continue;
    visit_sum(plan, sum, owned, [&](const Addition& addition) {
      const bool takes_part =
          std::ranges::any_of(addition.terms, [&](const auto& term) { return term.home.rank == rank; });
      if (takes_part) visit(addition);
    });
  }
}

void for_each_transfer(const ExchangePlan& plan, const std::function<void(const Transfer&)>& visit) {
  const std::vector<Owned> owned = by_position(plan);
  Holders holders(plan);
  for (auto sum = plan.sums.rbegin(); sum != plan.sums.rend(); ++sum) {
    visit_sum(plan, *sum, owned, [&](const Addition& addition) {
      for (const PlacedSum& term : addition.terms) {
        for (const LaneRange slices : holders.missing(term.home.rank, addition.slices)) {
          visit({addition.sum.home.rank, term.home.rank, slices, plan.rounds - 1 - addition.round});
        }
        holders.take(term.home.rank, addition.slices);
      }
    });
  }
}

}  // namespace vitrail::sharding
