// The images of a known set whose features are nearest to others by cosine. Exact at any number of ranks:
// products are computed in tiles that only lanes and image numbers decide, and of equally near images the
// lower number comes first. Collective. Throws: PeerFailure.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/evaluation/features.hpp"

namespace vitrail::trainer {

struct Neighbour {
  double cosine = -2;  // below every cosine: nobody
  std::int64_t image = 0, label = 0;

  bool is_nearer_than(const Neighbour& other) const {
    return cosine > other.cosine || (cosine == other.cosine && image < other.image);
  }
};
using Neighbours = std::vector<Neighbour>;  // nearest first

void bring_to_length_1(FeatureSet& set);

// Shows the cosines of `asked` [Q,D] with this rank's known images, tile after tile, each row of a tile on
// some thread: their numbers, labels and cosines. Not collective.
using TileRow = std::function<void(std::int64_t asked, const LaneFeatures& lane, std::int64_t first,
                                   const double* cosines, std::int64_t count)>;
void look_at_cosines(const FeatureSet& known, const at::Tensor& asked, const TileRow& row);

// For each of `asked`, all of length 1 as those of `known`; fewer than `count` where there are no more.
std::vector<Neighbours> nearest_of(const FeatureSet& known, const at::Tensor& asked, std::int64_t count,
                                   sharding::Communicator& communicator);

// exp(cosine / temperature) of the first `count` neighbours, added up by label.
std::vector<double> votes_of(const Neighbours& nearest, std::size_t count, std::int64_t classes,
                             double temperature);

}  // namespace vitrail::trainer
