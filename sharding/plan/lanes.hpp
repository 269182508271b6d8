// Lanes: the L fixed shares of a run, and which of them a rank holds. Pure functions.
// Rank r of N holds the consecutive lanes [floor(rL/N), floor((r+1)L/N)); L is a power of two and N <= L.
// Sums over lanes follow one balanced binary tree, so they do not depend on where the lanes live.
// Throws: Error(refused) if L is no power of two or N > L.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::sharding {

struct LaneRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return end - begin; }
  bool contains(std::int64_t lane) const { return begin <= lane && lane < end; }
  bool operator==(const LaneRange&) const = default;
};

LaneRange lanes_of_rank(std::int64_t lanes, int world, int rank);

// The maximal aligned power-of-two blocks of a range, in lane order: the tree's nodes that lie inside it.
// [2, 7) is {2,3} {4,5} {6}. With N a power of two a rank's lanes are one block.
std::vector<LaneRange> aligned_blocks(LaneRange lanes);

// Whether two blocks are the children of one node of the tree, in order.
bool are_siblings(LaneRange left, LaneRange right);

// Full sums that adding a rank's lanes one by one keeps at once. After the lanes [begin, l) these are the
// sums over their aligned blocks; the next lane's gradient is added to the last of them that end with a whole
// sibling, or becomes one more.
int full_sums(LaneRange lanes);

}  // namespace vitrail::sharding
