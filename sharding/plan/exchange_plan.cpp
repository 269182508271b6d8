#include "sharding/plan/exchange_plan.hpp"

#include <algorithm>
#include <bit>
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
    TreeSum& sum = plan_.sums.emplace_back(TreeSum{block, {}, 0, in_a_node});
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

// Where the sum over a block is made for slices whose owners' first lanes have this residue.
PlacedSum place(const ExchangePlan& plan, LaneRange block, std::int64_t residue) {
  return {block, plan.homes[static_cast<std::size_t>(block.begin + residue % block.count())]};
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

std::vector<std::vector<ExchangePlan::Group>> groups_of(const ExchangePlan& plan) {
  std::vector<ExchangePlan::Group> owned;
  for (int rank = 0; rank < plan.world; ++rank) {
    owned.push_back(
        {lanes_of_rank(plan.lanes, plan.world, rank).begin, plan.slices[static_cast<std::size_t>(rank)]});
  }
  std::ranges::sort(owned, {}, [](const auto& group) { return group.slices.begin; });
  std::vector<std::vector<ExchangePlan::Group>> all;
  for (std::int64_t size = 1; size <= plan.lanes; size *= 2) {
    std::vector<ExchangePlan::Group>& groups = all.emplace_back();
    for (const ExchangePlan::Group& own : owned) {
      const std::int64_t residue = own.residue % size;
      if (groups.empty() || groups.back().residue != residue) groups.push_back({residue, own.slices});
      groups.back().slices.end = own.slices.end;
    }
  }
  return all;
}

void visit_sum(const ExchangePlan& plan, const TreeSum& sum,
               const std::function<void(const Addition&)>& visit) {
  const auto level =
      static_cast<std::size_t>(std::countr_zero(static_cast<std::uint64_t>(sum.block.count())));
  for (const auto& [residue, slices] : plan.groups[level]) {
    Addition addition{place(plan, sum.block, residue), slices, {}, sum.round};
    for (const LaneRange term : sum.terms) addition.terms.push_back(place(plan, term, residue));
    visit(addition);
  }
}

// Which ranks have which slices, while they are gathered; not asked where nobody is sent a slice twice.
class Holders {
 public:
  Holders(const ExchangePlan& plan, bool nobody_twice) : lanes_(static_cast<std::size_t>(plan.lanes)) {
    if (nobody_twice) return;
    has_.resize(static_cast<std::size_t>(plan.world) * lanes_);
    for (int rank = 0; rank < plan.world; ++rank) take(rank, plan.slices[static_cast<std::size_t>(rank)]);
  }
  void take(int rank, LaneRange slices) {
    if (!has_.empty()) std::fill(at(rank, slices.begin), at(rank, slices.end), true);
  }
  std::vector<LaneRange> missing(int rank, LaneRange slices) {
    if (has_.empty()) return {slices};
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
  ExchangePlan plan;
  plan.route = route;
  plan.lanes = lanes;
  plan.world = topology.ranks();
  plan.slices = slices_of_ranks(lanes, plan.world, slice_order(route));
  plan.homes = homes_of_lanes(lanes, plan.world);
  plan.groups = groups_of(plan);
  if (plan.by_library()) return plan;
  Builder(plan, topology).make({0, lanes}, false);
  std::ranges::stable_sort(plan.sums, {}, &TreeSum::round);
  plan.rounds = plan.sums.empty() ? 0 : plan.sums.back().round + 1;
  const auto leaves = std::ranges::find_if(plan.sums, [](const TreeSum& sum) { return !sum.in_a_node; });
  plan.rounds_inside = leaves == plan.sums.end() ? plan.rounds : leaves->round;
  return plan;
}

ShardLayout layout_of(const ExchangePlan& plan, Stage stage, int rank) {
  return shard_layout(stage, plan.lanes, plan.world, rank, plan.slices[static_cast<std::size_t>(rank)]);
}

void for_each_addition(const ExchangePlan& plan, const std::function<void(const Addition&)>& visit) {
  for (const TreeSum& sum : plan.sums) visit_sum(plan, sum, visit);
}

void for_each_addition(const ExchangePlan& plan, int rank,
                       const std::function<void(const Addition&)>& visit) {
  const LaneRange lanes = lanes_of_rank(plan.lanes, plan.world, rank);
  for (const TreeSum& sum : plan.sums) {
    if (sum.block.end <= lanes.begin || lanes.end <= sum.block.begin) continue;
    visit_sum(plan, sum, [&](const Addition& addition) {
      const bool takes_part =
          std::ranges::any_of(addition.terms, [&](const auto& term) { return term.home.rank == rank; });
      if (takes_part) visit(addition);
    });
  }
}

std::vector<std::int64_t> most_received(const ExchangePlan& plan) {
  const auto world = static_cast<std::size_t>(plan.world);
  std::vector<std::int64_t> most(world), now(world);
  if (plan.route == ExchangeRoute::direct) {  // the same without a look at each of the N^2 messages
    std::int64_t blocks = 0;
    std::vector<std::int64_t> own;
    for (int rank = 0; rank < plan.world; ++rank) {
      own.push_back(
          static_cast<std::int64_t>(aligned_blocks(lanes_of_rank(plan.lanes, plan.world, rank)).size()));
      blocks += own.back();
    }
    for (std::size_t rank = 0; rank < world; ++rank) {
      most[rank] = plan.slices[rank].count() * (blocks - own[rank]);
    }
    return most;
  }
  int round = 0;
  std::vector<std::int64_t> opening(world);  // the most of the rounds that open
  const auto end_round = [&](int next) {
    for (std::size_t rank = 0; rank < world; ++rank) most[rank] = std::max(most[rank], now[rank]);
    std::fill(now.begin(), now.end(), 0);
    if (round < plan.opening_rounds() && next >= plan.opening_rounds()) most.swap(opening);
    round = next;
  };
  for_each_addition(plan, [&](const Addition& addition) {
    if (addition.round != round) end_round(addition.round);
    for (const PlacedSum& term : addition.terms) {
      if (term.home.rank == addition.sum.home.rank) continue;
      now[static_cast<std::size_t>(addition.sum.home.rank)] += addition.slices.count();
    }
  });
  end_round(plan.rounds);
  for (std::size_t rank = 0; rank < world; ++rank) most[rank] += opening[rank];
  return most;
}

void for_each_transfer(const ExchangePlan& plan, const std::function<void(const Transfer&)>& visit) {
  // A rank of several blocks is a term several times.
  const bool once = std::ranges::all_of(plan.homes, [](const Home& home) { return home.place == 0; });
  Holders holders(plan, once);
  for (auto sum = plan.sums.rbegin(); sum != plan.sums.rend(); ++sum) {
    visit_sum(plan, *sum, [&](const Addition& addition) {
      for (const PlacedSum& term : addition.terms) {
        if (term.home.rank == addition.sum.home.rank) continue;
        for (const LaneRange slices : holders.missing(term.home.rank, addition.slices)) {
          visit({addition.sum.home.rank, term.home.rank, slices, plan.rounds - 1 - addition.round});
        }
        holders.take(term.home.rank, addition.slices);
      }
    });
  }
}

}  // namespace vitrail::sharding
